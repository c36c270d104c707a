package rekey

import "time"

// CodeSettings are the life of a code. DefaultCodeSettings has the values that the service is meant to run with.
type CodeSettings struct {
	Lifetime    time.Duration // of a code, from its latest send
	Interval    time.Duration // from a number's first send to its second; then 2, 5, 10 min while nothing is redeemed
	Guesses     int           // wrong guesses a code bears in its own flow
	PoolGuesses int           // wrong guesses it bears from clients without its flow; 0: the flow is required
}

// DefaultCodeSettings are 5 min, 60 s, 5 and 3: together with the limits they keep the odds of guessing one number's
// code, attacked all year, under 0.4 %.
func DefaultCodeSettings() CodeSettings {
	return CodeSettings{Lifetime: 5 * time.Minute, Interval: time.Minute, Guesses: 5, PoolGuesses: 3}
}

// Bounds of a code's life.
const (
	MaxLifetime = 10 * time.Minute  // of a code after its first issue, renewed or not
	matchGrace  = 150 * time.Second // a right code lives at least this long, for whoever must repeat the request
)

// Limits are the budgets. 0 switches one off.
type Limits struct {
	NumberSendsHour   int   // sends to a number in any hour
	NumberSendsDay    int   // sends to a number in any 24 h
	NumberReserved    int   // of NumberSendsDay, kept for requests with a proof of work
	LiveFlows         int   // live codes a number, each in its own flow
	AddressSends10m   int   // sends an address (IPv4, IPv6 /64), as a rate over 10 min; ten times as many a /48
	AddressSendsDay   int   // the same over a day
	PrefixSendsHour   int   // sends a prefix (number less its last four digits)
	PrefixSendsDay    int   // the same over a day
	ServiceSendsDay   int   // messages of the whole service in a calendar day (UTC)
	ServiceSpendDay   int64 // money of the whole service in a calendar day (UTC), in millionths
	ServiceWrongDay   int   // wrong guesses of the whole service in a calendar day (UTC)
	NumberWrongDay    int   // wrong guesses a number in any 24 h
	NumberWrongRow    int   // wrong guesses a number in a row since its last success
	AddressNumberDay  int   // sends from one address to one number over a day
	AddressLookups    int   // different numbers an address asks for in 10 min
	AddressLookupsDay int   // the same over a day
	ServiceLookupsDay int   // numbers asked for in a calendar day (UTC)

	// ConversionFloor is the least share of sent codes that must be redeemed, per prefix (once 20 were sent in an
	// hour) and per country (once 200 were): pumping fraud never redeems (T29).
	ConversionFloor float64
}

// valid reports whether every limit is one that can be kept: up to 10⁹, so that no product of tiers overflows.
func (l Limits) valid() bool {
	for _, n := range []int{l.NumberSendsHour, l.NumberSendsDay, l.NumberReserved, l.LiveFlows, l.AddressSends10m, l.AddressSendsDay,
		l.PrefixSendsHour, l.PrefixSendsDay, l.ServiceSendsDay, l.ServiceWrongDay, l.NumberWrongDay, l.NumberWrongRow,
		l.AddressNumberDay, l.AddressLookups, l.AddressLookupsDay, l.ServiceLookupsDay} {
		if n < 0 || n > 1e9 {
			return false
		}
	}
	return l.ServiceSpendDay >= 0 && l.ServiceSpendDay <= 1e15 && l.ConversionFloor >= 0 && l.ConversionFloor <= 1
}

// DefaultLimits are the budgets that the service is meant to run with.
func DefaultLimits() Limits {
	return Limits{
		NumberSendsHour: 5, NumberSendsDay: 10, NumberReserved: 3, LiveFlows: 3,
		AddressSends10m: 5, AddressSendsDay: 20, AddressNumberDay: 4,
		PrefixSendsHour: 10, PrefixSendsDay: 50,
		ServiceSendsDay: 10_000, ServiceWrongDay: 10_000,
		NumberWrongDay: 20, NumberWrongRow: 100,
		AddressLookups: 30, AddressLookupsDay: 200, ServiceLookupsDay: 50_000,
		ConversionFloor: 0.3,
	}
}

// ProofMode says what a budget's soft tier does. No proof of work can be handed in yet.
type ProofMode int

// The modes.
const (
	// ProofAuto: a request over a budget's soft tier is refused as limited.
	ProofAuto ProofMode = iota
	// ProofOff: only a budget's hard tier refuses, at ten times the soft one where the budget has two.
	ProofOff
)
