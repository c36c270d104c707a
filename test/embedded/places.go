package embedded

import (
	"hash/crc32"
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

// Databases makes databases for a test in this place, which nobody else uses and which go when the test ends: the data
// source of the codes, and the database of the people, nil in a SQLite file.
func (p Place) Databases(t testing.TB) (codes string, people *servers.Database) {
	t.Helper()
	var made servers.Database
	switch p.People {
	case PostgreSQL:
		made = servers.PostgreSQL(t)
	case MariaDB:
		made = servers.MariaDB(t)
	default:
		return "", nil
	}
	switch p.Store {
	case Redis:
		codes = servers.Redis(t).URL
	case Cluster:
		codes = servers.RedisCluster(t).URL
	default: // one database for both
		codes = made.DSN
	}
	return codes, &made
}

// Options are for replicas in this place, on Databases.
func (p Place) Options(t testing.TB) Options {
	t.Helper()
	codes, people := p.Databases(t)
	o := Options{Codes: codes}
	if people != nil {
		o.People = people.DSN
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
	eachOf(t, Places(), test)
}

// EachPlaceOnServers is EachPlace of the places with their people on a server.
func EachPlaceOnServers(t *testing.T, test func(t *testing.T, p Place)) {
	t.Helper()
	eachOf(t, onServers(Places()), test)
}

func onServers(places []Place) []Place {
	return slices.DeleteFunc(places, func(p Place) bool { return p.People == SQLite })
}

func eachOf(t *testing.T, places []Place, test func(t *testing.T, p Place)) {
	t.Helper()
	if os.Getenv(AllVariable) != "1" {
		places = choice(t.Name(), places)
	}
	for _, p := range places {
		t.Run(p.String(), func(t *testing.T) {
			t.Parallel()
			test(t, p)
		})
	}
}

// choice is what the test with this name meets of places: one with codes and people in one database, and one with codes
// apart.
func choice(name string, places []Place) []Place {
	n := int(crc32.ChecksumIEEE([]byte(name)) >> 1)
	apart := slices.IndexFunc(places, func(p Place) bool { return p.Store != p.People })
	return []Place{places[n%apart], places[apart+n/apart%(len(places)-apart)]}
}
