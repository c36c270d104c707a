package userdb

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"strings"

	"rekey"
	"rekey/passhash"
)

// tally is what the rows that were read come to.
type tally struct {
	rows     int64
	seen     map[[2]string]struct{} // of a sample: id and number of each row
	formats  map[string]*formatTally
	recipes  map[string]passhash.Recipe // what is made for these rows, by its String
	accounts AccountCounts
	numbers  NumberCounts
	examples map[reading][]string     // masked
	turned   int64                    // numbers that are spelled as the other mobile_format has it
	blanks   int64                    // hidden numbers that are found once blanks and dashes are gone
	owners   map[rekey.Number]*owners // of accounts that are active and have a hash that can be replaced
	subjects []rekey.Number           // some that a reset can be rehearsed on
}

type formatTally struct {
	rows    int64
	becomes map[string]int64
}

// owners are the accounts of one number.
type owners struct {
	id     string // of the first
	found  int    // accounts that a lookup finds
	hidden int    // accounts that it does not, for their spelling
}

const (
	maxExamples = 3
	// maxSubjects is how many numbers a rehearsal has to choose from, since one may be shared or change meanwhile.
	maxSubjects = 20
)

func (t *tally) add(s *survey, r record) {
	if s.report.About {
		key := [2]string{r.id.String, r.mobile.String}
		if _, twice := t.seen[key]; twice {
			return
		}
		put(&t.seen, key, struct{}{})
	}
	t.rows++
	recipe, fault := s.table.recipe(r.stored.String)
	f := t.formats[formatOf(r.stored.String)]
	if f == nil {
		f = &formatTally{}
		put(&t.formats, formatOf(r.stored.String), f)
	}
	f.rows++
	if fault == nil {
		put(&f.becomes, recipe.String(), f.becomes[recipe.String()]+1)
		put(&t.recipes, recipe.String(), recipe)
	}
	n, reading := s.shape.read(s.plan, r.mobile.String)
	t.count(s, n, reading, r.mobile.String)
	found := reading == readAsSet || reading == readOther
	switch {
	case !r.active:
		t.accounts.Inactive++
	case errors.Is(fault, passhash.ErrUnusable):
		t.accounts.Unusable++
	case fault != nil:
		t.accounts.Unreadable++
	case found:
		t.accounts.Recoverable++
		t.own(n, r.id.String, true)
		if len(t.subjects) < maxSubjects {
			t.subjects = append(t.subjects, n)
		}
	default:
		t.accounts.Unreachable++
		if reading == readHidden {
			t.own(n, r.id.String, false)
		}
	}
}

func (t *tally) own(n rekey.Number, id string, found bool) {
	o := t.owners[n]
	if o == nil {
		o = &owners{id: id}
		put(&t.owners, n, o)
	} else if o.id == id { // who has a number twice, beside the table
		return
	}
	if found {
		o.found++
	} else {
		o.hidden++
	}
}

// count takes how a number reads.
func (t *tally) count(s *survey, n rekey.Number, as reading, stored string) {
	switch as {
	case readAsSet:
		t.numbers.AsSet++
		return
	case readEmpty:
		t.numbers.Empty++
		return
	case readOther:
		t.numbers.Other++
	case readHidden:
		t.numbers.Hidden++
		if _, as := s.shape.read(s.plan, strings.NewReplacer(" ", "", "-", "").Replace(stored)); as == readAsSet || as == readOther {
			t.blanks++
		}
	case readForeign:
		t.numbers.Foreign++
	}
	if !n.IsZero() {
		turned := s.shape
		turned.e164 = !turned.e164
		if all := turned.spelled(n); len(all) > 0 && all[0] == stored {
			t.turned++
		}
	}
	if masked := mask(stored); len(t.examples[as]) < maxExamples && !slices.Contains(t.examples[as], masked) {
		put(&t.examples, as, append(t.examples[as], masked))
	}
}

// hashes lists the formats, the most frequent first.
func (t *tally) hashes() []HashCount {
	all := []HashCount{}
	for _, name := range slices.Sorted(maps.Keys(t.formats)) {
		h, most := HashCount{Format: name, Rows: t.formats[name].rows}, int64(0)
		for _, recipe := range slices.Sorted(maps.Keys(t.formats[name].becomes)) {
			if n := t.formats[name].becomes[recipe]; n > most {
				h.Becomes, most = recipe, n
			}
		}
		all = append(all, h)
	}
	slices.SortStableFunc(all, func(a, b HashCount) int { return cmp.Compare(b.Rows, a.Rows) })
	return all
}

// What formatOf calls a hash that has no format of its own.
const (
	hashUnusable    = "unusable"
	hashUnknown     = "unknown"
	hashMalformed   = "malformed"
	hashOutOfBounds = "out_of_bounds"
)

func formatOf(stored string) string {
	h, err := passhash.Parse(stored)
	switch {
	case err == nil:
		return h.Name()
	case errors.Is(err, passhash.ErrUnusable):
		return hashUnusable
	case errors.Is(err, passhash.ErrMalformed):
		return hashMalformed
	case errors.Is(err, passhash.ErrBounds):
		return hashOutOfBounds
	}
	if legacy, err := passhash.ParseLegacy(stored); err == nil {
		return legacy.Name()
	}
	return hashUnknown
}

// put sets an entry of a map that there may not be yet.
func put[K comparable, V any](m *map[K]V, key K, value V) {
	if *m == nil {
		*m = map[K]V{}
	}
	(*m)[key] = value
}
