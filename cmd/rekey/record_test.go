package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"testing"
	"time"

	"rekey"
	"rekey/sms"
)

func TestNumbersInTheLogHaveTheirUnit(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log := slog.New(slog.NewJSONHandler(&out, nil))
	keys, err := rekey.NewKeyring([][]byte{make([]byte, rekey.MinKeyBytes)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	took := 8*time.Second + 992236*time.Nanosecond
	for name, tell := range map[string]func(){
		"event": func() {
			recorder{log}.Record(t.Context(), rekey.Event{Kind: rekey.EventDeliver, Price: 45_000, Elapsed: took})
		},
		"attempt": func() {
			h := &house{log: log, keys: keys}
			h.observe(t.Context(), sms.Attempt{Provider: "a", Elapsed: took, Err: errors.New("no")})
		},
	} {
		out.Reset()
		tell()
		var record map[string]any
		if err := json.Unmarshal(out.Bytes(), &record); err != nil {
			t.Fatal(err)
		}
		if record["elapsed_ms"] != 8000.992 || name == "event" && record["price_millionths"] != 45000.0 {
			t.Errorf("the record of an %s is %s", name, &out)
		}
	}
}
