package web_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode/utf8"

	"rekey"
	"rekey/web"
)

// records are the lines of the log, each of which must be one JSON record.
func (h *house) records() []map[string]any {
	h.Helper()
	var all []map[string]any
	for line := range strings.Lines(h.log.String()) {
		var record map[string]any
		if err := json.Unmarshal([]byte(line), &record); err != nil {
			h.Fatalf("a broken record: %q", line)
		}
		all = append(all, record)
	}
	return all
}

func TestOneLineARequestIsLogged(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	w := h.ask("GET", "/forget_pwd/mobiles/"+alice+"/?mobile="+alice, "")
	records := h.records()
	if len(records) != 1 {
		t.Fatalf("%d records", len(records))
	}
	for key, want := range map[string]any{"msg": "request", "method": "GET", "route": "mobiles", "status": 200.,
		"address": peer, "bytes": float64(w.Body.Len()), "request": w.Header().Get("X-Request-Id")} {
		if got := records[0][key]; got != want {
			t.Errorf("%s is %v, want %v", key, got, want)
		}
	}
}

// unrecorded is a front without a recorder.
func unrecorded(_ *rekey.Options, front *web.Options) { front.Recorder = nil }

func TestACauseIsToldOnceAndNotToTheClient(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		with    setting
		records int
	}{
		"the recorder has it":             {func(*rekey.Options, *web.Options) {}, 1},
		"the log has it where nobody has": {unrecorded, 2},
	} {
		h := newHouse(t, c.with)
		h.people.down = errCut
		w := h.ask("GET", "/forget_pwd/mobiles/"+alice, "")
		if w.Code != 503 || strings.Contains(w.Body.String(), errCut.Error()) {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
		if got := h.events.of(rekey.EventCheck); len(got) != 1 || !errors.Is(got[0].Err, errCut) {
			t.Errorf("%s: the events are %v", name, got)
		}
		records := h.records()
		if len(records) != c.records || records[len(records)-1]["msg"] != "request" || records[len(records)-1]["status"] != 503. {
			t.Fatalf("%s: the log says %v", name, records)
		}
		if record := records[0]; c.records == 2 && (record["msg"] != "failed" || record["level"] != "ERROR" ||
			!strings.Contains(fmt.Sprint(record["error"]), errCut.Error()) || record["request"] != w.Header().Get("X-Request-Id")) {
			t.Errorf("%s: the log says %v", name, record)
		}
	}
}

func TestRequestIDsComeFromTrustedProxiesOnly(t *testing.T) {
	t.Parallel()
	const given = "X-Request-Id: 0af7651916cd43dd-8448eb211c80319c"
	for _, c := range []struct {
		name  string
		with  setting
		given string
		taken bool
	}{
		{"from a stranger", nil, given, false},
		{"from a proxy", trusting("192.0.2.0/24"), given, true},
		{"too long", trusting("192.0.2.0/24"), "X-Request-Id: " + strings.Repeat("a", 65), false},
		{"not plain", trusting("192.0.2.0/24"), "X-Request-Id: a b\u2028", false},
		{"empty", trusting("192.0.2.0/24"), "X-Request-Id: ", false},
	} {
		var settings []setting
		if c.with != nil {
			settings = append(settings, c.with)
		}
		h := newHouse(t, settings...)
		got := h.ask("GET", "/forget_pwd/mobiles/x", "", c.given).Header().Get("X-Request-Id")
		if taken := "X-Request-Id: "+got == c.given; taken != c.taken || len(got) < 20 {
			t.Errorf("%s: the id is %q", c.name, got)
		}
	}
}

// The canaries of T36: if any of them is found where it should not be, it has leaked.
const (
	canaryPassword = "Canary7Password"
	canaryCode     = "271828"
	canaryNumber   = "13912345678"
)

// mustNotHaveLogged looks at the log as it is written, where a number may stand without quotes, everywhere but in the time of
// a record: there six digits can stand that are no code.
func (h *house) mustNotHaveLogged(canaries ...string) {
	h.Helper()
	log := h.log.String()
	for _, record := range h.records() {
		log = strings.Replace(log, fmt.Sprint(record[slog.TimeKey]), "", 1)
	}
	for _, canary := range canaries {
		if strings.Contains(log, canary) {
			h.Errorf("%s is in the log: %s", canary, log)
		}
	}
}

func TestT36_NoNumberCodeOrPasswordReachesTheLog(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	form := []string{"Content-Type: application/x-www-form-urlencoded", "Accept: text/html"}
	fields := "mobile=" + canaryNumber + "&sms_code=" + canaryCode + "&new_password=" + canaryPassword
	for _, down := range []error{nil, errCut} {
		h.people.down = down
		for _, r := range []request{
			get("mobiles/" + canaryNumber), get("mobiles/" + canaryNumber + "x"), get("nothing/" + canaryNumber), get("?mobile=" + canaryNumber),
			{"GET", "/forget_pwd?mobile=" + canaryNumber, "", nil}, {canaryNumber, "/forget_pwd/", "", nil},
			send(canaryNumber), send(canaryNumber + "x"), reset(canaryNumber, canaryCode, canaryPassword),
			reset(canaryNumber, canaryCode, canaryPassword+"-"), post("", canaryNumber+canaryCode+canaryPassword),
			post("", fields, form...), post("sms_code/", fields, form...), post("", fields+"&mobile=1", form...),
			send(canaryNumber, "Origin: https://"+canaryNumber), send(canaryNumber, "User-Agent: "+canaryNumber, "Referer: /"+canaryNumber),
		} {
			h.ask(r.method, r.path, r.body, r.headers...)
		}
	}
	if len(h.records()) < 32 {
		t.Fatal("requests are missing from the log")
	}
	h.mustNotHaveLogged(canaryNumber, canaryCode, canaryPassword)
}

// panicky panics with whatever it is asked for.
type panicky struct {
	*people
	with func(rekey.Number) any
}

func (p panicky) Find(_ context.Context, n rekey.Number) ([]rekey.Account, error) {
	panic(p.with(n))
}

func TestT36_APanicIsAnsweredAndSaysNothingOfTheRequest(t *testing.T) {
	t.Parallel()
	for name, with := range map[string]func(rekey.Number) any{
		"a string": func(n rekey.Number) any { return "no row for " + n.E164() },
		"an error": func(n rekey.Number) any { return fmt.Errorf("no row for %s", n.National()) },
		"a struct": func(n rekey.Number) any { return struct{ mobile string }{n.National()} },
	} {
		h := newHouse(t, func(core *rekey.Options, _ *web.Options) {
			core.Directory = panicky{newPeople(), with}
		})
		w := h.ask("GET", "/forget_pwd/mobiles/"+canaryNumber, "")
		if w.Code != 500 || errno(t, w) != "4500" || strings.Contains(w.Body.String(), canaryNumber) {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
		h.mustNotHaveLogged(canaryNumber)
		records := h.records()
		if len(records) != 2 || records[0]["msg"] != "panic" || !strings.Contains(fmt.Sprint(records[0]["stack"]), "panicky.Find") {
			t.Errorf("%s: the log says %v", name, records)
		}
		if records[1]["status"] != 500. {
			t.Errorf("%s: the log says %v", name, records[1])
		}
		// A form gets HTML, and the server goes on.
		w = h.ask("POST", "/forget_pwd/sms_code/", "mobile="+canaryNumber, "Content-Type: application/x-www-form-urlencoded",
			"Accept: text/html")
		if w.Code != 500 || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") {
			t.Errorf("%s: %d %s", name, w.Code, w.Header())
		}
	}
}

func TestARuntimeErrorIsNamedInTheLog(t *testing.T) {
	t.Parallel()
	h := newHouse(t, func(core *rekey.Options, _ *web.Options) {
		core.Directory = panicky{newPeople(), func(rekey.Number) any { var p *people; return p.rows }}
	})
	h.ask("GET", "/forget_pwd/mobiles/"+alice, "")
	record := h.records()[0]
	if !strings.Contains(fmt.Sprint(record["panic"]), "nil pointer") || !strings.Contains(fmt.Sprint(record["stack"]), "TestARuntimeError") {
		t.Errorf("the log says %v", record)
	}
}

// evils break out of a line, a terminal or a JSON text if they are written raw.
func evils() []string {
	return []string{"a\r\nlevel=ERROR msg=forged", "\x1b[2J\x1b[31m", "a\u2028b\u2029c", "\x00\x07", `"}` + "\n" + `{"msg":"forged"}`,
		"\xff\xfe"}
}

const raw = "\r\x1b\u2028\u2029\x00\x07"

func TestT37_NothingThatIsSentBreaksARecord(t *testing.T) {
	t.Parallel()
	h := newHouse(t, trusting("192.0.2.0/24"))
	for _, evil := range evils() {
		if n := h.recordsOf(evil); n != 1 {
			t.Errorf("%q: %d records", evil, n)
		}
	}
	if log := h.log.String(); strings.ContainsAny(log, raw) || strings.Contains(log, "forged") {
		t.Errorf("the log is %q", log)
	}
}

func TestT37_NoCauseBreaksARecord(t *testing.T) {
	t.Parallel()
	for name, handler := range map[string]func(*journal) slog.Handler{
		"JSON": func(j *journal) slog.Handler { return slog.NewJSONHandler(j, nil) },
		"text": func(j *journal) slog.Handler { return slog.NewTextHandler(j, nil) },
	} {
		log := &journal{}
		h := newHouse(t, unrecorded, func(_ *rekey.Options, front *web.Options) { front.Log = slog.New(handler(log)) })
		for _, evil := range evils() {
			h.people.down = errors.New("the database says " + evil)
			h.ask("GET", "/forget_pwd/mobiles/"+alice, "")
		}
		text := log.String()
		if lines := strings.Count(text, "\n"); lines != 2*len(evils()) || strings.ContainsAny(text, raw) || !utf8.ValidString(text) {
			t.Errorf("%s: %d lines: %q", name, lines, text)
		}
	}
}

// recordsOf sends evil in every place that a client can fill, and counts the records that it made.
func (h *house) recordsOf(evil string) int {
	h.Helper()
	before := len(h.records())
	r := httptest.NewRequest("GET", "/forget_pwd/mobiles/1", nil)
	r.Method = "GET" + evil
	r.URL.Path, r.URL.RawQuery, r.Host, r.RequestURI = "/forget_pwd/mobiles/"+evil, evil, evil, evil
	for _, name := range []string{"User-Agent", "Referer", "X-Forwarded-For", "X-Request-Id", "Accept-Language", "Origin", "Accept", "Content-Type"} {
		r.Header.Set(name, evil)
	}
	h.handler.ServeHTTP(discard{http.Header{}}, r)
	return len(h.records()) - before
}
