package main

import (
	"strings"
	"testing"

	"rekey/userdb"
)

func TestProgressIsOneLineAStage(t *testing.T) {
	t.Parallel()
	var w strings.Builder
	show, finish := showProgress(&w)
	show(userdb.StageRead, 1000)
	show(userdb.StageRead, 1500)
	show(userdb.StageHash, 1500)
	show(userdb.StageStore, 1500)
	finish()
	if got, want := w.String(), "\r1000 lines read\r1500 lines read\n\r1500 passwords hashed\n\r1500 people stored\n"; got != want {
		t.Errorf("shown is %q, want %q", got, want)
	}
}
