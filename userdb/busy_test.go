package userdb

import (
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"rekey"
	"rekey/passhash"
)

// occupant is a recipe whose work is to hold its place in the pool until it is let go.
type occupant struct {
	passhash.Recipe
	leave chan struct{}
}

func (o occupant) Make(string) (string, error) {
	<-o.leave
	return "", nil
}

func TestT21_AFullPoolIsToldAsBusyBeforeTheDatabaseIsAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fresh, err := passhash.ParseRecipe("argon2id")
		if err != nil {
			t.Fatal(err)
		}
		table := &Table{dialect: SQLite(), pool: passhash.NewPool(0), fresh: fresh} // no handles: asking the database would panic
		leave := make(chan struct{})
		var all sync.WaitGroup
		for range table.pool.Places() {
			all.Go(func() { _, _ = table.pool.Make(t.Context(), occupant{table.fresh, leave}, "") })
		}
		synctest.Wait()

		const stored = "pbkdf2_sha256$1$abcdefghijkl$nUQpPi5BlJCg8gAuBnkhiOl9TStDv8xLzwh44RXE7iY="
		start := time.Now()
		if err := table.SetPassword(t.Context(), rekey.Account{ID: "1", Hash: stored}, "New456"); !errors.Is(err, rekey.ErrBusy) {
			t.Errorf("SetPassword: %v, want ErrBusy", err)
		}
		if waited := time.Since(start); waited != 2*time.Second {
			t.Errorf("waited %v, want 2 s", waited)
		}
		verify, err := table.verifier(stored)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := verify(t.Context(), "letmein7"); !errors.Is(err, rekey.ErrBusy) {
			t.Errorf("Verify: %v, want ErrBusy", err)
		}
		close(leave)
		all.Wait()
		if right, err := verify(t.Context(), "letmein7"); !right || err != nil {
			t.Errorf("with a place again: %v, %v", right, err)
		}
	})
}
