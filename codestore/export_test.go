package codestore

import (
	"context"
	"database/sql"
	"errors"

	"rekey"
)

// LockBudgets begins a transaction as a step does and locks budgets in it, as far as a replica gets that is then gone
// without a word.
func LockBudgets(ctx context.Context, s *Store, names ...rekey.Name) (*sql.Tx, error) {
	t := s.budgets.(*table[budget, *budget])
	tx, err := t.begin(ctx)
	if err != nil {
		return nil, err
	}
	if err := t.lock.exec(ctx, tx, names); err != nil {
		return nil, errors.Join(err, tx.Rollback())
	}
	return tx, nil
}

// WaitingSteps is how many steps on budgets may be under way.
const WaitingSteps = waitingSteps
