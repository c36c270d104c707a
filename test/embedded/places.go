package embedded

import (
	"hash/fnv"
	"os"
	"slices"
	"testing"

	"rekey/test/servers"
)

// EachDatabase runs a test with people in each kind of database, one beside the other, and codes in a SQLite file. The
// package needs a TestMain that calls servers.Run. people is for Options.
func EachDatabase(t *testing.T, test func(t *testing.T, people string)) {
	t.Helper()
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		test(t, "")
	})
	EachServer(t, func(t *testing.T, people servers.Database) { test(t, people.DSN) })
}

// EachServer is EachDatabase with the servers alone.
func EachServer(t *testing.T, test func(t *testing.T, people servers.Database)) {
	t.Helper()
	for _, server := range []struct {
		name string
		make func(testing.TB) servers.Database
	}{{"PostgreSQL", servers.PostgreSQL}, {"MariaDB", servers.MariaDB}} {
		t.Run(server.name, func(t *testing.T) {
			t.Parallel()
			test(t, server.make(t))
		})
	}
}

// Engines that codes or people are in.
const (
	SQLite     = "SQLite"
	PostgreSQL = "PostgreSQL"
	MariaDB    = "MariaDB"
	Redis      = "Redis"
	Cluster    = "Redis Cluster"
)

// Place is a code store and a users database that make sense together.
type Place struct{ Store, People string }

// Places are all that there are: those with codes and people in one database first.
func Places() []Place {
	return []Place{{SQLite, SQLite}, {PostgreSQL, PostgreSQL}, {MariaDB, MariaDB}, {Redis, PostgreSQL}, {Redis, MariaDB}, {Cluster, PostgreSQL}}
}

// String names the place.
func (p Place) String() string { return p.Store + " and " + p.People }

// Options are for replicas in this place, in databases that nobody else uses and that go when the test ends.
func (p Place) Options(t testing.TB) Options {
	t.Helper()
	var o Options
	switch p.People {
	case PostgreSQL:
		o.People = servers.PostgreSQL(t).DSN
	case MariaDB:
		o.People = servers.MariaDB(t).DSN
	}
	switch p.Store {
	case p.People:
		o.Codes = o.People
	case Redis:
		o.Codes = servers.Redis(t).URL
	case Cluster:
		o.Codes = servers.RedisCluster(t).URL
	}
	return o
}

// AllVariable makes EachPlace run each test in all places where it is "1", as make test-all has it.
const AllVariable = "REKEY_TEST_ALL"

// EachPlace runs a test in some of the places, one beside the other: which ones its name decides, so that they are the
// same each time, and many tests meet all of them in pairs. With AllVariable it is all of them. The package needs a
// TestMain that calls servers.Run.
func EachPlace(t *testing.T, test func(t *testing.T, p Place)) {
	t.Helper()
	places := Places()
	if os.Getenv(AllVariable) != "1" {
		places = choice(t.Name())
	}
	for _, p := range places {
		t.Run(p.String(), func(t *testing.T) {
			t.Parallel()
			test(t, p)
		})
	}
}

// choice is the places of the test with this name: one with codes and people in one database, and one with codes apart.
func choice(name string) []Place {
	h := fnv.New32a()
	h.Write([]byte(name)) // never fails
	n := int(h.Sum32() >> 8)
	places := Places()
	apart := slices.IndexFunc(places, func(p Place) bool { return p.Store != p.People })
	return []Place{places[n%apart], places[apart+n/apart%(len(places)-apart)]}
}
