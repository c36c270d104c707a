package main

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
)

// prefix begins the name of every variable that is a setting.
const prefix = "REKEY_"

// injected are variables that Kubernetes puts into every pod beside a Service called "rekey" (Kubernetes, "Service",
// environment variables): nobody wrote them, and no setting is called so.
var injected = regexp.MustCompile(`^REKEY_(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT(_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)$`)

// ours is the part of the process's environment that is meant for rekey, by name.
func ours(env []string) map[string]string {
	values := map[string]string{}
	for _, entry := range env {
		name, v, _ := strings.Cut(entry, "=")
		if strings.HasPrefix(name, prefix) && !injected.MatchString(name) {
			values[name] = v
		}
	}
	return values
}

// variable is the environment variable of a key: REKEY_ and the path in capitals, with _ for what is no letter or digit.
func variable(key string) string {
	return prefix + strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z':
			return r - 'a' + 'A'
		case 'A' <= r && r <= 'Z', '0' <= r && r <= '9':
			return r
		case r == '"':
			return -1
		}
		return '_'
	}, key)
}

// readVariables takes the settings from the environment. One that names no setting is a fault, as in the file.
func (l *loaded) readVariables(values map[string]string) {
	left := maps.Clone(values)
	delete(left, "REKEY_CONFIG")
	l.findProviders(left)
	for _, s := range l.settings {
		name := variable(s.key)
		v, direct := left[name]
		path, indirect := left[name+"_FILE"]
		delete(left, name)
		delete(left, name+"_FILE")
		switch {
		case direct && indirect:
			l.add(origin{variable: name}, s.key, "is set together with "+name+"_FILE; keep one of them")
		case direct:
			l.takeVariable(s, origin{variable: name}, v)
		case indirect:
			l.readVariableFile(s, name+"_FILE", path)
		}
	}
	for name := range left {
		l.add(origin{variable: name}, "", "there is no such setting; correct the name or unset the variable"+l.meant(name, variable))
	}
}

// readVariableFile takes a setting from the file that its variable names. One newline at the end is not part of it:
// editors and echo put it there.
func (l *loaded) readVariableFile(s *setting, name, path string) {
	at := origin{variable: name, file: path}
	data, err := os.ReadFile(path)
	if err != nil {
		l.add(at, s.key, "can't be read: "+reason(err)+"; name a readable file, or unset the variable")
		return
	}
	content := strings.TrimSuffix(string(data), "\n")
	l.takeVariable(s, at, strings.TrimSuffix(content, "\r"))
}

func (l *loaded) takeVariable(s *setting, at origin, v string) {
	s.origin = at
	if err := s.value.text(v); err != nil {
		l.add(at, s.key, err.Error())
	}
}

// findProviders makes the providers that only the environment names: REKEY_SMS_PROVIDERS_GATEWAY_URL is the url of one
// called gateway. Names are told apart from settings by the longest setting that fits the end.
func (l *loaded) findProviders(values map[string]string) {
	const providers = prefix + "SMS_PROVIDERS_"
	known := map[string]bool{}
	for _, s := range l.settings {
		known[variable(s.key)] = true
	}
	suffixes := []string{}
	for _, s := range new(providerConfig).declare("") {
		suffixes = append(suffixes, "_"+strings.TrimPrefix(variable(s.key), prefix))
	}
	slices.SortFunc(suffixes, func(a, b string) int { return len(b) - len(a) })
	for _, name := range slices.Sorted(maps.Keys(values)) {
		base := strings.TrimSuffix(name, "_FILE")
		rest, ok := strings.CutPrefix(base, providers)
		if !ok || known[base] {
			continue
		}
		for _, suffix := range suffixes {
			if provider, ok := strings.CutSuffix(rest, suffix); ok && provider != "" {
				l.provider(strings.ToLower(provider))
				break
			}
		}
	}
}
