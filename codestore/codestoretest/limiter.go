package codestoretest

import (
	"time"

	"rekey"
)

func rate(name rekey.Name, limit int64, window time.Duration) rekey.Charge {
	return rekey.Charge{Name: name, Kind: rekey.Rate, Limit: limit, Window: window, Cost: 1}
}

func daily(name rekey.Name, limit, cost int64) rekey.Charge {
	return rekey.Charge{Name: name, Kind: rekey.Daily, Limit: limit, Cost: cost}
}

var limiterTests = []test{
	{"a rate passes its limit at once and refills evenly", func(f *fixture) {
		c := rate("b", 5, 10*time.Minute)
		for i := range 5 {
			if d := f.take(c); d.Refused != -1 || d.Used[0] != int64(i+1) {
				f.Fatalf("charge %d: %+v", i, d)
			}
		}
		d := f.take(c)
		if d.Refused != 0 || !f.about(d.RetryAfter, 2*time.Minute) {
			f.Fatalf("the sixth: %+v", d)
		}
		f.Advance(2 * time.Minute)
		if d := f.take(c); d.Refused != -1 {
			f.Fatalf("after an emission interval: %+v", d)
		}
		if d := f.take(c); d.Refused != 0 {
			f.Fatalf("the next: %+v", d)
		}
		f.Advance(time.Hour)
		for range 5 {
			if d := f.take(c); d.Refused != -1 {
				f.Fatalf("after a rest: %+v", d)
			}
		}
		if d := f.take(c); d.Refused != 0 {
			f.Fatal("a rest saved up more than the limit")
		}
	}},
	{"all charges are made or none", func(f *fixture) {
		wide, narrow := rate("wide", 10, time.Hour), rate("narrow", 1, time.Hour)
		f.take(narrow)
		for range 20 {
			if d := f.take(wide, narrow); d.Refused != 1 {
				f.Fatalf("%+v", d)
			}
		}
		for range 10 {
			if d := f.take(wide); d.Refused != -1 {
				f.Fatalf("a refused charge cost the other: %+v", d)
			}
		}
	}},
	{"what is given back of a rate can be taken again, and no more", func(f *fixture) {
		givenBack(f, rate("b", 2, time.Hour))
	}},
	{"what is given back of a day can be taken again, and no more", func(f *fixture) {
		f.withinADay()
		givenBack(f, daily("d", 2, 1))
	}},
	{"rates of two windows and a conversion share a bucket and not their counts", func(f *fixture) {
		hour, day := rate("b", 3, time.Hour), rate("b", 5, 24*time.Hour)
		sent := rekey.Charge{Name: "b", Kind: rekey.Conversion, Limit: 100, Window: time.Hour, Floor: 0.3, Cost: 1}
		for range 3 {
			if d := f.take(hour, day, sent); d.Refused != -1 {
				f.Fatalf("%+v", d)
			}
		}
		if d := f.take(hour, day, sent); d.Refused != 0 {
			f.Fatalf("%+v", d)
		}
		for range 2 {
			if d := f.take(day); d.Refused != -1 {
				f.Fatalf("%+v", d)
			}
		}
		if d := f.take(day); d.Refused != 0 || d.Used[0] != 5 {
			f.Fatalf("%+v", d)
		}
		look := sent
		look.Cost = 0
		if d := f.take(look); d.Used[0] != 3 {
			f.Fatalf("%+v", d)
		}
	}},
	{"a look sets no mark", func(f *fixture) {
		look := rate("b", 1, time.Hour)
		look.Cost, look.Once, look.OnceFor = 0, "mark", time.Hour
		f.take(look)
		charge := look
		charge.Cost = 1
		f.take(charge)
		if d := f.take(look); d.Refused != -1 {
			f.Fatalf("what was asked before: %+v", d)
		}
		look.Once = "another mark"
		if d := f.take(look); d.Refused != 0 {
			f.Fatalf("a look at a budget that is used up: %+v", d)
		}
	}},
	{"a look costs nothing", func(f *fixture) {
		look := rate("b", 2, time.Hour)
		look.Cost = 0
		for range 10 {
			if d := f.take(look); d.Refused != -1 || d.Used[0] != 0 {
				f.Fatalf("%+v", d)
			}
		}
		f.take(rate("b", 2, time.Hour))
		f.take(rate("b", 2, time.Hour))
		if d := f.take(look); d.Refused != 0 || d.Used[0] != 2 {
			f.Fatalf("%+v", d)
		}
	}},
	{"the same bucket twice in one call is charged twice", func(f *fixture) {
		c := rate("b", 3, time.Hour)
		if d := f.take(c, c); d.Refused != -1 || d.Used[1] != 2 {
			f.Fatalf("%+v", d)
		}
		if d := f.take(c, c); d.Refused != 1 {
			f.Fatalf("%+v", d)
		}
	}},
	{"T40 what is counted once is free while its mark stands", func(f *fixture) {
		f.withinADay()
		const stands = time.Minute
		c := rate("address", 2, 2*stands)
		n := daily("service", 2, 1)
		c.OnceFor, n.OnceFor = stands, stands
		ask := func(number rekey.Name) rekey.Decision {
			c.Once, n.Once = number, number
			return f.take(c, n)
		}
		for range 5 {
			if d := ask("first"); d.Refused != -1 {
				f.Fatalf("%+v", d)
			}
		}
		ask("second")
		if d := ask("third"); d.Refused != 0 {
			f.Fatalf("%+v", d)
		}
		if d := ask("second"); d.Refused != -1 {
			f.Fatalf("what was asked before: %+v", d)
		}
		f.Advance(stands + time.Second)
		if d := ask("first"); d.Refused != 1 {
			f.Fatalf("after the mark fell it counts again, and the day is used up: %+v", d)
		}
	}},
	{"a daily budget ends with the day", func(f *fixture) {
		f.withinADay()
		for range 3 {
			f.take(daily("d", 3, 1))
		}
		d := f.take(daily("d", 3, 1))
		if d.Refused != 0 || d.RetryAfter <= 0 || d.RetryAfter > 24*time.Hour || d.Used[0] != 3 {
			f.Fatalf("%+v", d)
		}
		f.Advance(d.RetryAfter)
		if d := f.take(daily("d", 3, 2)); d.Refused != -1 {
			f.Fatalf("the next day: %+v", d)
		}
		if d := f.take(daily("d", 3, 2)); d.Refused != 0 {
			f.Fatalf("more than is left: %+v", d)
		}
	}},
	{"T29 sends stop where nothing is redeemed", func(f *fixture) {
		sent := rekey.Charge{Name: "prefix", Kind: rekey.Conversion, Limit: 20, Window: time.Hour, Floor: 0.3, Cost: 1}
		redeemed := sent
		redeemed.Kind = rekey.Redeemed
		for i := range 20 {
			if d := f.take(sent); d.Refused != -1 {
				f.Fatalf("send %d: %+v", i, d)
			}
		}
		d := f.take(sent)
		if d.Refused != 0 || d.RetryAfter <= 0 || d.RetryAfter > time.Hour {
			f.Fatalf("%+v", d)
		}
		for range 6 {
			f.take(redeemed)
		}
		if d := f.take(sent); d.Refused != -1 {
			f.Fatalf("with 6 of 20 redeemed: %+v", d)
		}
		if d := f.take(sent); d.Refused != 0 {
			f.Fatalf("with 6 of 21 redeemed: %+v", d)
		}
		f.Advance(time.Hour + time.Second)
		if d := f.take(sent); d.Refused != -1 {
			f.Fatalf("an hour later: %+v", d)
		}
	}},
	{"T02 T28 concurrent charges are exact", func(f *fixture) {
		f.withinADay()
		const passing, others = 40, 260
		other := f.Reopen()
		outcomes := together(f, passing+others, func(i int) (int, error) {
			store := f.Store
			if i%2 == 1 {
				store = other
			}
			// A charge that is given back may be seen for a moment: b has room for all.
			d, err := store.Take(f.Context(), rate("a", passing, 24*time.Hour), daily("b", passing+others, 1))
			return d.Refused, err
		})
		if outcomes[-1] != passing || outcomes[0] != others {
			f.Fatalf("%v, want %d passed", outcomes, passing)
		}
		if d := f.take(daily("b", passing+others, 0)); d.Used[0] != passing {
			f.Fatalf("b holds %d charges, want %d: refused ones were kept, or more than them given back", d.Used[0], passing)
		}
		if d := f.take(daily("b", passing+others, others)); d.Refused != -1 {
			f.Fatalf("%+v", d)
		}
		if d := f.take(daily("b", passing+others, 1)); d.Refused != 0 {
			f.Fatalf("%+v", d)
		}
	}},
}

// givenBack takes c, of a limit of 2, gives it back in part and in excess, and takes it again.
func givenBack(f *fixture, c rekey.Charge) {
	f.Helper()
	back := c
	f.take(c)
	f.take(c)
	back.Cost = -1
	f.take(back)
	if d := f.take(c); d.Refused != -1 {
		f.Fatalf("%+v", d)
	}
	if d := f.take(c); d.Refused != 0 {
		f.Fatalf("%+v", d)
	}
	back.Cost = -100
	f.take(back)
	f.take(c)
	f.take(c)
	if d := f.take(c); d.Refused != 0 {
		f.Fatal("giving back more than was taken made credit")
	}
}
