package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
	"text/tabwriter"
	"unicode/utf8"

	"rekey"
	"rekey/sms"
)

type smsCommand struct {
	Send     smsSendCommand     `cmd:"" help:"Send one test message, and show what the provider says."`
	Receipts smsReceiptsCommand `cmd:"" help:"Print where the vendors send their receipts to, and what to configure there."`
}

func (*smsCommand) Help() string {
	return `Example:

    rekey sms send --to 13800000001 --dry-run`
}

type smsSendCommand struct {
	configured
	To       string `required:"" placeholder:"M" help:"The number to send to, as people type it."`
	Provider string `placeholder:"NAME" help:"The provider to try; else the first one that this number's messages go to."`
	Lang     string `placeholder:"LANG" help:"The language of the message; else the first of languages."`
	DryRun   bool   `help:"Show what would be handed over, secrets masked, and send nothing."`
}

func (*smsSendCommand) Help() string {
	return `Sends one real message through one provider, with a code that opens nothing, and shows the provider's own answer.
No budget is charged. With --dry-run nothing is sent: it shows the request, the text, how many short messages it
comes to, and their price.

Example:

    rekey sms send --to 13800000001 --provider gateway`
}

func (c *smsSendCommand) Run(t *terminal) (err error) {
	l, err := c.load(t, false)
	if err != nil {
		return err
	}
	to, err := parseOperators(newPlan(l.Numbers.Plan, l.Numbers.Allow), l.Numbers.Allow, c.To)
	if err != nil {
		return err
	}
	d, err := l.delivery()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.close()) }()
	name := c.Provider
	if name == "" {
		name = d.failover.Route(to)[0]
	}
	provider, ok := d.providers[name]
	if !ok {
		return fmt.Errorf("there is no provider %q; configured are %s", name, strings.Join(slices.Sorted(maps.Keys(d.providers)), ", "))
	}
	language := cmp.Or(c.Lang, l.Languages[0])
	if !slices.Contains(l.Languages, language) {
		return fmt.Errorf("--lang: %q is not one of the configured languages, %s (%w)", c.Lang, strings.Join(l.Languages, ", "), errUsage)
	}
	m, err := testMessage(to, &l.config, language)
	if err != nil {
		return err
	}
	preview, err := provider.Preview(m)
	if err != nil {
		return fmt.Errorf("provider %s: %w", name, err)
	}
	if _, err := fmt.Fprintf(t.stdout, "Provider %s would be handed:\n\n%s\n\n%s", name, strings.TrimRight(preview, "\n"), d.bill(&l.config, name, m)); err != nil || c.DryRun {
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
	switch sms.OutcomeOf(err) {
	case sms.Sent:
	case sms.RejectedNumber:
		return fmt.Errorf("provider %s refused the message; its answer says why: %w", name, err)
	case sms.RejectedAccount:
		return fmt.Errorf("provider %s refuses every message of this account: %w", name, err)
	case sms.Throttled, sms.Unavailable:
		return fmt.Errorf("provider %s could not be reached or did not serve us; check its address and your network: %w", name, err)
	default:
		return fmt.Errorf("provider %s gave no clear answer; the message may be on its way: %w", name, err)
	}
	_, err = fmt.Fprintf(t.stdout, "\nProvider %s took the message.\n", name)
	return err
}

// delivery is the providers as rekey serve would have them, for a command: nobody is told of anything. Keys are not
// required; without them the addresses of receipts are left out.
func (l *loaded) delivery() (*delivery, error) {
	var o surroundings
	if len(l.Keys) > 0 {
		keys, err := keyring(l.Keys, l.IndexKey)
		if err != nil {
			return nil, fmt.Errorf("keys: %w", err)
		}
		o.keys = keys
	}
	return newDelivery(&l.config, o)
}

// bill is what a message says and comes to. The text of a template that is registered with a vendor is not known here.
func (d *delivery) bill(c *config, name string, m rekey.Message) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	p := c.SMS.Providers[name]
	size := d.providers[name].Size(m)
	if k, ok := kindOf(p.kind()); ok && k.has("template") {
		fmt.Fprintln(w, "Text:\tthe vendor's own, which it fills from the template named above")
	} else {
		text := d.texts.Text(m)
		fmt.Fprintf(w, "Text:\t%s\n", strings.ReplaceAll(text, "\n", "\n\t"))
		fmt.Fprintf(w, "Encoding:\t%v, %d characters\n", size.Encoding, utf8.RuneCountInString(text))
	}
	fmt.Fprintf(w, "Messages:\t%d\n", size.Segments)
	price := "not known; see sms.providers." + tomlKey(name) + ".price"
	if p.kind() == "inbox" {
		price = "0"
	} else if n := d.failover.Price(name, m); n > 0 {
		price = spellAmount(n)
	}
	fmt.Fprintf(w, "Price:\t%s\n", price)
	_ = w.Flush() // into a strings.Builder, which takes all
	return b.String()
}

// testMessage is a message whose code belongs to no record, so that it opens nothing (T12).
func testMessage(to rekey.Number, c *config, language string) (rekey.Message, error) {
	n, err := rand.Int(rand.Reader, big.NewInt(1_000_000))
	if err != nil {
		return rekey.Message{}, err
	}
	code, ok := rekey.ParseCode(fmt.Sprintf("%06d", n))
	if !ok {
		return rekey.Message{}, errors.New("no code could be drawn")
	}
	return rekey.Message{ID: "test-" + rand.Text(), To: to, Code: code, Language: language, ExpiresIn: c.Codes.Lifetime}, nil
}
