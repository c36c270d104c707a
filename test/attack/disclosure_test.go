package attack_test

import (
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"

	"rekey"
	"rekey/test/embedded"
	"rekey/web"
)

// random is what differs between any two answers: ids, flows, signatures and the time.
var random = regexp.MustCompile(`("flow":"|rekey_flow=)[A-Za-z0-9_-]{22}|X-Request-Id: [A-Z0-9]+|Date: [^\n]+`)

// TestT39_KnownAndUnknownNumbersGetTheSameBytes walks a known and an unknown number through the same requests, with
// disclosure off, and compares status, headers and bodies.
func TestT39_KnownAndUnknownNumbersGetTheSameBytes(t *testing.T) {
	t.Parallel()
	embedded.EachPlace(t, func(t *testing.T, p embedded.Place) {
		o := p.Options(t)
		o.Service = func(o *rekey.Options) { o.Disclosure = false }
		o.Web = func(o *web.Options) { o.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} }
		h := embedded.Open(t, t.TempDir(), o)
		server := h.Serve(t)
		h.Add(t, ann)

		walk := func(mobile, address string) (answers []string) {
			flow := ""
			ask := func(method, path, body string) {
				request, err := http.NewRequestWithContext(t.Context(), method, server.URL+path, strings.NewReader(body))
				if err != nil {
					t.Fatal(err)
				}
				request.Header.Set("X-Forwarded-For", address)
				response, err := server.Client().Do(request)
				if err != nil {
					t.Fatal(err)
				}
				defer response.Body.Close()
				content, err := io.ReadAll(response.Body)
				if err != nil {
					t.Fatal(err)
				}
				if m := regexp.MustCompile(`"flow":"([^"]+)"`).FindSubmatch(content); m != nil {
					flow = string(m[1])
				}
				var header strings.Builder
				if err := response.Header.Write(&header); err != nil {
					t.Fatal(err)
				}
				text := fmt.Sprint(path, "\n", response.Status, "\n", strings.ReplaceAll(header.String(), "\r", ""), string(content))
				answers = append(answers, strings.ReplaceAll(random.ReplaceAllString(text, "$1…"), mobile, "MOBILE"))
			}
			send := func() {
				ask("POST", base+"sms_code/", fmt.Sprintf(`{"mobile":%q,"flow":%q}`, mobile, flow))
			}
			ask("GET", base+"mobiles/"+mobile+"/", "")
			for round := range 4 {
				send()
				send() // within the interval
				for i := range 7 {
					// Six digits that a real code is one run in 36,000.
					ask("POST", base, fmt.Sprintf(`{"mobile":%q,"sms_code":"%d%d0000","new_password":%q,"flow":%q}`, mobile, round, i, newPassword, flow))
				}
				ask("POST", base, fmt.Sprintf(`{"mobile":%q,"sms_code":"990000","new_password":%q}`, mobile, newPassword))
				h.Advance(t, 6*time.Minute)
				ask("POST", base, fmt.Sprintf(`{"mobile":%q,"sms_code":"990000","new_password":%q,"flow":%q}`, mobile, newPassword, flow))
			}
			return answers
		}
		known, unknown := walk(ann, "192.0.2.1"), walk(nobody, "192.0.2.2")
		if len(known) < 40 {
			t.Fatalf("%d answers", len(known))
		}
		// Numbers of seconds left may differ by one between two walks.
		seconds := regexp.MustCompile(`("retry_after":|"expires_in":|Retry-After: |Content-Length: )\d+`)
		for i := range known {
			if a, b := seconds.ReplaceAllString(known[i], "$1N"), seconds.ReplaceAllString(unknown[i], "$1N"); a != b {
				t.Errorf("answer %d\nknown:   %s\nunknown: %s", i, a, b)
			}
		}
		if err := h.Service.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, m := range h.Messages(t) {
			if m.Mobile != ann {
				t.Error("a message to a number that nobody has")
			}
		}
	})
}
