package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"rekey"
	"rekey/cmd/rekey/databases"
	"rekey/web"
)

// check judges every setting by itself and then what must hold between them.
func (l *loaded) check() {
	for _, s := range l.settings {
		if s.value.judge == nil {
			continue
		}
		l.object(s.key, sentences(s.value.judge())...)
	}
	l.checkUsers()
	l.checkPublic()
	l.checkExposure()
	if l.unread {
		return // what is missing, or does not fit the rest, may be right in the file
	}
	l.checkKeys()
	l.checkAddresses()
	l.checkNumbers()
	l.checkCodes()
	l.checkProviders()
	_, err := newDelivery(&l.config, surroundings{})
	l.addAll(errors.Join(err, l.inUse()))
}

// sentences is the single errors of what errors.Join made, each as text and no text twice.
func sentences(err error) []string {
	var all []string
	for _, e := range each(err) {
		if text := e.Error(); !slices.Contains(all, text) {
			all = append(all, text)
		}
	}
	return all
}

// checkUsers asks package userdb about [users]. Where the preset or the plan is at fault, its default stands in for it:
// the other settings may be wrong as well.
func (l *loaded) checkUsers() {
	c := l.config
	if l.has("users.preset") {
		c.Users.Preset = ""
	}
	if l.has("numbers.plan") {
		c.Numbers.Plan = mainland
	}
	l.addAll(c.userSettings().Validate())
}

// requireKeys notes that there are no keys. Only what touches codes needs them. Of a file that could not be read nobody
// knows: an operator who was told to make new keys might replace good ones.
func (l *loaded) requireKeys() {
	if len(l.Keys) == 0 && !l.unread {
		l.object("keys", "is required; "+makeKey+`, then set keys = ["…"] or `+variable("keys")+"_FILE")
		l.sort()
	}
}

func (l *loaded) checkKeys() {
	if len(l.Keys) > 1 && l.IndexKey == "" {
		l.object("index_key", "is required once there are two keys, and must then stay as it is; set it to the key that has been the only one so far")
	}
	if l.has("keys") || l.has("index_key") || len(l.Keys) == 0 {
		return
	}
	if _, err := keyring(l.Keys, l.IndexKey); err != nil {
		l.object("keys", "can't be used: "+err.Error()+"; remove or replace that one")
	}
}

func (l *loaded) checkAddresses() {
	if l.PublicOrigin == "" && !l.has("listen") && !loopback(l.Listen) {
		l.object("public_origin", `is required when people reach listen from elsewhere; write scheme and host as they see them, such as "https://www.example.com"`)
	}
	if l.Admin.Token == "" && !l.has("admin.listen") && !loopback(l.Admin.Listen) {
		l.object("admin.token", "is required when admin.listen is reached from elsewhere; make one with: openssl rand -hex 16")
	}
	if sameAddress(l.Listen, l.Admin.Listen) {
		l.object("admin.listen", "is the address of listen, "+l.Listen+"; give it a port of its own")
	}
	if l.Limits.NumberSendsDay > 0 && l.Limits.NumberReserved >= l.Limits.NumberSendsDay {
		l.object("limits.number_reserved", "leaves nothing of limits.number_sends_day; set it lower")
	}
}

func (l *loaded) checkNumbers() {
	if l.has("numbers.plan") || l.has("numbers.allow") {
		return
	}
	if len(l.Numbers.Allow) == 0 {
		if l.Numbers.Plan == anyRegion {
			l.object("numbers.allow", `is required with plan "*"; list the countries that get codes, such as ["CN", "HK"], or "*" for all`)
			return
		}
		l.Numbers.Allow = []string{l.Numbers.Plan}
	}
	if l.Numbers.Plan != anyRegion && !slices.Equal(l.Numbers.Allow, []string{l.Numbers.Plan}) {
		l.object("numbers.allow", `must be the plan's own country alone, since other numbers have no form in it; set numbers.plan to "*"`)
	}
}

func (l *loaded) checkCodes() {
	if l.Codes.Wait == 0 || l.has("codes.wait") || l.has("codes.store") {
		return
	}
	if store, err := databases.ParseCodes(l.Codes.Store); err != nil || store.Redis != nil {
		return // of its faults its rule has told
	}
	l.object("codes.wait", "is for replicas of Redis, and codes.store is none; remove the setting, or set it to 0")
}

// checkPublic asks package web about the settings that it judges, each by itself so that a fault has its key, but beside
// the public origin, which some depend on.
func (l *loaded) checkPublic() {
	public := l.PublicOrigin
	if l.has("public_origin") {
		public = ""
	}
	for key, o := range map[string]web.Options{
		"base_path":       {BasePath: l.BasePath},
		"origins":         {Origins: l.Origins},
		"csrf_cookie":     {CSRFCookie: l.CSRFCookie},
		"csrf_header":     {CSRFHeader: l.CSRFHeader},
		"page.brand":      {Page: web.PageOptions{Brand: l.Page.Brand}},
		"page.brand_dark": {Page: web.PageOptions{BrandDark: l.Page.BrandDark}},
		"page.support":    {Page: web.PageOptions{Support: l.Page.Support}},
		"page.done_url":   {Page: web.PageOptions{DoneURL: l.Page.DoneURL}},
	} {
		if l.find(key).origin != (origin{}) {
			o.PublicOrigin = public
			l.object(key, sentences(judgedByWeb(o))...)
		}
	}
}

// judgedByWeb is what package web objects to in options, joined. The handler that web.New makes is thrown away, and so are
// the empty parts that it wants besides.
func judgedByWeb(o web.Options) error {
	keys, err := rekey.NewKeyring([][]byte{make([]byte, rekey.MinKeyBytes)}, nil)
	if err != nil {
		return fmt.Errorf("can't be judged: %w", err)
	}
	o.Service, o.Keys = new(rekey.Service), keys
	_, err = web.New(o)
	var faults []error
	for _, e := range each(err) {
		faults = append(faults, fmt.Errorf("can't be used: %w", e))
	}
	return errors.Join(faults...)
}

// secure reports whether people come from the Internet, by https: then no code may be where others can read it (T36).
func (l *loaded) secure() bool { return strings.HasPrefix(strings.ToLower(l.PublicOrigin), "https:") }

// addAll notes the faults that a part found itself: joined errors, each beginning with its setting, or with the path of
// an entry of one that is a table, such as sms.routes."852".
func (l *loaded) addAll(err error) {
	type place struct {
		at  origin
		key string
	}
	var places []place
	texts := map[place][]string{}
	for _, sentence := range sentences(err) {
		s, key, text := l.part(sentence)
		if s != nil && key != s.key && l.has(s.key) {
			continue // it follows from the fault of the table
		}
		p := place{key: key}
		if s != nil {
			p.at = s.origin
		}
		if texts[p] == nil {
			places = append(places, p)
		}
		texts[p] = append(texts[p], text)
	}
	for _, p := range places {
		l.add(p.at, p.key, texts[p]...)
	}
}

// bareKey is a key that TOML wants no quotes around (v1.0.0, "Keys").
var bareKey = regexp.MustCompile(`^[A-Za-z0-9_-]+`)

// part takes a sentence apart: the setting it is about, the key it begins with, which is that setting's or that of an
// entry of it, and the rest. Without a setting all of it is the rest.
func (l *loaded) part(sentence string) (s *setting, key, text string) {
	for _, candidate := range l.settings {
		rest, ok := strings.CutPrefix(sentence, candidate.key)
		if !ok {
			continue
		}
		entry := ""
		if dotted, ok := strings.CutPrefix(rest, "."); ok {
			// Where the name is no setting of ours, it is that of an entry, which is quoted where TOML wants it.
			name := bareKey.FindString(dotted)
			if quoted, err := strconv.QuotedPrefix(dotted); err == nil {
				name = quoted
			}
			if name == "" {
				continue
			}
			entry = "." + name
		}
		if text, ok := strings.CutPrefix(rest[len(entry):], ": "); ok {
			return candidate, candidate.key + entry, text
		}
	}
	return nil, "", sentence
}

// checkExposure refuses files that hold secrets and that everybody on the machine can read or change (T44): the
// configuration and those that variables name. It is a fault beside whatever else is wrong with the value.
func (l *loaded) checkExposure() {
	told := false
	for _, s := range l.settings {
		at := s.origin
		if at.file == "" || !s.secret() {
			continue
		}
		if info, err := os.Stat(at.file); err != nil || !exposed(info) {
			continue
		}
		mend := "; run chmod 600 " + at.file + ", or where it is mounted, say mode 0400 there (Docker: mode, Kubernetes: defaultMode)"
		switch {
		case at.variable != "":
			l.faults = append(l.faults, fault{at, s.key, "everybody on this machine can read or change this secret" + mend})
		case !told:
			told = true
			l.add(origin{file: at.file}, "", "everybody on this machine can read or change the secrets in it"+mend)
		}
	}
}

// secret reports whether the value holds something that nobody else may read.
func (s *setting) secret() bool {
	if s.hide == nil {
		return false
	}
	_, secret := s.hide(s.value.show())
	return secret
}

// exposed reports whether others than owner and group may read or write a file. Windows has no such bits.
func exposed(info fs.FileInfo) bool {
	return runtime.GOOS != "windows" && info.Mode().Perm()&0o006 != 0
}
