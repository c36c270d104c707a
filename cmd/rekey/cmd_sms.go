package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"

	"rekey"
	"rekey/sms"
)

type smsCommand struct {
	Send smsSendCommand `cmd:"" help:"Send one test message, and show what the provider says."`
}

func (*smsCommand) Help() string {
	return `Example:

    rekey sms send --to 13800000001 --dry-run`
}

type smsSendCommand struct {
	configured
	To       string `required:"" placeholder:"M" help:"The number to send to, as people type it."`
	Provider string `placeholder:"NAME" help:"The provider to try; else the first one that this number's messages go to."`
	DryRun   bool   `help:"Show what would be handed over, secrets masked, and send nothing."`
}

func (*smsSendCommand) Help() string {
	return `Sends one real message through one provider, with a code that opens nothing, and shows the provider's own answer.
No budget is charged.

Example:

    rekey sms send --to 13800000001 --provider gateway`
}

func (c *smsSendCommand) Run(t *terminal) error {
	l, err := c.load(t, false)
	if err != nil {
		return err
	}
	to, err := parseOperators(newPlan(l.Numbers.Plan, l.Numbers.Allow), l.Numbers.Allow, c.To)
	if err != nil {
		return err
	}
	d, err := newDelivery(&l.config, nil)
	if err != nil {
		return err
	}
	name := c.Provider
	if name == "" {
		name = d.failover.Route(to)[0]
	}
	provider, ok := d.providers[name]
	if !ok {
		return fmt.Errorf("there is no provider %q; configured are %s", name, strings.Join(slices.Sorted(maps.Keys(d.providers)), ", "))
	}
	m, err := testMessage(to, &l.config)
	if err != nil {
		return err
	}
	preview, err := provider.Preview(m)
	if err != nil {
		return fmt.Errorf("provider %s: %w", name, err)
	}
	if _, err := fmt.Fprintf(t.stdout, "Provider %s would be handed:\n\n%s\n", name, strings.TrimRight(preview, "\n")); err != nil || c.DryRun {
		return err
	}
	if provider == d.inbox {
		_, err := fmt.Fprintln(t.stdout, "\nAn inbox sends nothing. While rekey serve runs, its messages are on the admin listener at /inbox/.")
		return err
	}

	ctx, cancel := context.WithTimeout(t.ctx, sms.DefaultBudget)
	defer cancel()
	answer, err := provider.Try(ctx, m)
	if answer != "" {
		if _, err := fmt.Fprintf(t.stdout, "\nIts answer:\n\n%s\n", strings.TrimRight(answer, "\n")); err != nil {
			return err
		}
	}
	switch {
	case errors.Is(err, rekey.ErrRejected):
		return fmt.Errorf("provider %s refused the message; its answer says why: %w", name, err)
	case errors.Is(err, rekey.ErrUnavailable):
		return fmt.Errorf("provider %s could not be reached or did not serve us; check its url and your network: %w", name, err)
	case err != nil:
		return fmt.Errorf("provider %s gave no clear answer; the message may be on its way: %w", name, err)
	}
	_, err = fmt.Fprintf(t.stdout, "\nProvider %s took the message.\n", name)
	return err
}

// testMessage is a message whose code belongs to no record, so that it opens nothing (T12).
func testMessage(to rekey.Number, c *config) (rekey.Message, error) {
	n, err := rand.Int(rand.Reader, big.NewInt(1_000_000))
	if err != nil {
		return rekey.Message{}, err
	}
	code, ok := rekey.ParseCode(fmt.Sprintf("%06d", n))
	if !ok {
		return rekey.Message{}, errors.New("no code could be drawn")
	}
	return rekey.Message{ID: "test-" + rand.Text(), To: to, Code: code, Language: c.Languages[0], ExpiresIn: c.Codes.Lifetime}, nil
}
