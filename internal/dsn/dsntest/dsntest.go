// Package dsntest holds those who read URLs with package dsn to what is promised of all of them: what is shown has no
// password and can be read again, and what is refused is refused as a whole, in words that have no part of it (T36).
package dsntest

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"rekey/internal/dsn"
)

// Reader is one who takes URLs apart and shows them.
type Reader[T fmt.Formatter] struct {
	Parse func(url string) (T, error)
	Mask  func(url string) (masked string, secret bool)
}

// canary is the password, or a part of it, in what tests write.
const canary = "canary9f1c"

// Takes returns a URL that must be taken, and shown so.
func (r Reader[T]) Takes(t *testing.T, url, shown string) T {
	t.Helper()
	got, err := r.Parse(url)
	if err != nil || fmt.Sprint(got) != shown {
		t.Errorf("%s is shown as %v, %v, want %s", url, got, err, shown)
	}
	if masked, secret := r.Mask(url); masked != shown || secret != strings.Contains(shown, dsn.Hidden) {
		t.Errorf("%s is masked as %s, %v", url, masked, secret)
	}
	if again, err := r.Parse(shown); err != nil || fmt.Sprint(again) != shown {
		t.Errorf("%s reads as %v, %v", shown, again, err)
	}
	return got
}

// Refuses wants an error with these words of a URL that may hold the password canary9f1c.
func (r Reader[T]) Refuses(t *testing.T, url, words string) {
	t.Helper()
	if got, err := r.Parse(url); err == nil || !strings.Contains(err.Error(), words) {
		t.Errorf("%q is %v, %v, want %s", url, got, err, words)
	}
	if masked, secret := r.Mask(url); strings.Contains(url, canary) && !secret {
		t.Errorf("%q is masked as %s, without a secret", url, masked)
	}
	r.hides(t, url, "canary", "9f1c")
}

// FuzzT36 writes passwords as people do, escaped or not, before these rests of URLs and within a parameter.
func (r Reader[T]) FuzzT36(f *testing.F, schemes, rests []string) {
	for _, scheme := range schemes {
		for _, rest := range rests {
			for _, left := range []string{"", ":", "@", "/", "?", "#", "%", "%2", "1/", "1?a=", "1#", "a@b/c", "[", " ", "\x00", "密"} {
				f.Add(scheme, left, "", rest)
				f.Add(scheme, "", left, rest)
				f.Add(scheme, left, left, rest)
			}
		}
	}
	f.Fuzz(func(t *testing.T, scheme, left, right, rest string) {
		if strings.Contains(canary, right) && right != "" || strings.Contains(scheme+rest, "canary") {
			t.Skip("here the password's own words stand where they may be shown")
		}
		password := left + canary + right
		urls := []string{scheme + "rekey:" + password + "@" + rest, scheme + ":" + password + "@" + rest}
		if !strings.Contains(left, "&") { // which ends a parameter
			urls = append(urls, scheme+rest+"?sentinel_password="+password)
		}
		for _, url := range urls {
			if !strings.HasPrefix(url, "sqlite:") && !strings.HasPrefix(url, "memory:") { // which name no server, and are shown
				r.hides(t, url, canary)
			}
		}
	})
}

// hides looks for secrets in all that is told of a URL.
func (r Reader[T]) hides(t *testing.T, url string, secrets ...string) {
	t.Helper()
	got, err := r.Parse(url)
	masked, _ := r.Mask(url)
	told := fmt.Sprintf("%v\n%s\n%v\n%+v\n%#v\n%q\n%s", err, masked, got, got, got, got, got)
	for _, secret := range secrets {
		if strings.Contains(told, secret) {
			t.Errorf("T36: of %q is told\n%s", url, told)
		}
	}
	if none := *new(T); err != nil && !reflect.DeepEqual(got, none) {
		t.Errorf("%q is refused, and yet taken as %v", url, got)
	}
}
