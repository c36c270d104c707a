package torture_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"rekey"
	"rekey/test/embedded"
	"rekey/test/servers"
	"rekey/userdb"
)

// replicas is how many there are of the service.
const replicas = 3

// store is a kind of code store; open makes an empty one that goes when the test ends and returns its data source.
type store struct {
	name string
	open func(testing.TB) string
	// cuttable is open for a test that cuts the connections of the replicas, by calling cut at any time.
	cuttable func(testing.TB) (dsn string, cut func())
	resends  bool // sends a step again whose connection was cut
}

// stores are all that replicas can share. That in the memory of one process is not among them.
func stores() []store {
	return []store{
		{
			name:     embedded.SQLite,
			open:     func(testing.TB) string { return "" },
			cuttable: func(testing.TB) (string, func()) { return "", func() {} },
		},
		ofServer(embedded.PostgreSQL, servers.PostgreSQL),
		ofServer(embedded.MariaDB, servers.MariaDB),
		{
			name: embedded.Redis, resends: true,
			open: func(t testing.TB) string { return servers.Redis(t).URL },
			cuttable: func(t testing.TB) (string, func()) {
				k := servers.Redis(t)
				proxy := servers.NewProxy(t, k.Address)
				return k.Via(proxy.Address).URL, proxy.Cut
			},
		},
		{
			name: embedded.Cluster, resends: true,
			open: func(t testing.TB) string { return servers.RedisCluster(t).URL },
			cuttable: func(t testing.TB) (string, func()) {
				k := servers.RedisCluster(t)
				return k.URL, disconnect(t, k)
			},
		},
	}
}

// disconnect is what closes the connections of all others to the nodes of a Cluster, whose clients go to the addresses that
// it tells them, past any proxy.
func disconnect(t testing.TB, k servers.Keyspace) func() {
	t.Helper()
	client := k.Client(t)
	cluster, ok := client.(*redis.ClusterClient)
	if !ok {
		t.Fatalf("a Cluster has a client of type %T", client)
	}
	each := func(arguments ...any) func() {
		return func() {
			if err := cluster.ForEachMaster(context.Background(), func(ctx context.Context, node *redis.Client) error {
				return node.Do(ctx, arguments...).Err()
			}); err != nil {
				t.Errorf("a node of the Cluster: %v", err)
			}
		}
	}
	each("ping")() // so that it is connected
	return each("client", "kill", "type", "normal", "skipme", "yes")
}

// ofServer is a store in a SQL database of a server.
func ofServer(name string, database func(testing.TB) servers.Database) store {
	return store{
		name: name,
		open: func(t testing.TB) string { return database(t).DSN },
		cuttable: func(t testing.TB) (string, func()) {
			d := database(t)
			proxy := servers.NewProxy(t, d.Address())
			return through(t, d, proxy), proxy.Cut
		},
	}
}

// through is the data source of a database behind a proxy.
func through(t testing.TB, d servers.Database, p *servers.Proxy) string {
	t.Helper()
	dsn := d.Via(t, p.Address).DSN
	if d.Kind == servers.MySQL {
		dsn += "?sslmode=disable" // PostgreSQL's has it
	}
	return dsn
}

// town is some replicas on the same databases, and the phones of its people.
type town struct {
	testing.TB
	houses [replicas]atomic.Pointer[embedded.House]
	open   func() *embedded.House // one more replica
	ended  []*embedded.House      // those that were replaced
	pace   pace
	phones phones
	people atomic.Int64 // registered
}

// newTown makes replicas without any budget but those of a code and of a number's wrong guesses, so that nothing else
// stands before what is tortured. change may be nil.
func newTown(t testing.TB, o embedded.Options, change func(*rekey.Options)) *town {
	t.Helper()
	w := &town{TB: t}
	policy, err := rekey.NewPolicy("classic", false) // the list of common passwords takes longer to read than all else
	if err != nil {
		t.Fatal(err)
	}
	o.Service = func(o *rekey.Options) {
		o.Policy, o.Sender = policy, &w.phones
		o.Limits = rekey.Limits{NumberWrongDay: o.Limits.NumberWrongDay, NumberWrongRow: o.Limits.NumberWrongRow}
		o.Code.Lifetime = rekey.MaxLifetime // on a machine of any speed
		o.Code.Interval = time.Nanosecond   // for who asks again because the answer was lost
		o.Codes, o.Directory = pacedCodes{o.Codes, &w.pace}, pacedTable{o.Directory, &w.pace}
		if change != nil {
			change(o)
		}
	}
	dir := t.TempDir()
	w.open = func() *embedded.House { return embedded.Open(t, dir, o) }
	for i := range w.houses {
		w.houses[i].Store(w.open())
	}
	return w
}

// house is one of the replicas, whatever i is.
func (w *town) house(i int) *embedded.House { return w.houses[i%replicas].Load() }

// codes are the stores of the replicas.
func (w *town) codes() []rekey.Codes {
	var all []rekey.Codes
	for i := range replicas {
		all = append(all, w.house(i).Codes)
	}
	return all
}

// phones are where messages arrive: the latest code of each number.
type phones struct {
	mu    sync.Mutex
	codes map[string]string
}

func (p *phones) code(mobile string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.codes[mobile]
}

func (p *phones) Send(_ context.Context, m rekey.Message) (rekey.Receipt, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.codes == nil {
		p.codes = make(map[string]string)
	}
	p.codes[m.To.National()] = m.Code.Reveal()
	return rekey.Receipt{Provider: "phones"}, nil
}

// person is somebody with a code.
type person struct{ mobile, flow, code string }

// admit registers somebody, who asks for a code.
func (w *town) admit() (person, error) {
	h := w.house(below(replicas))
	var p person
	if _, err := again(func() error {
		// Whether a try has registered anybody is not known where its answer was lost: the next is somebody else.
		p = person{mobile: fmt.Sprintf("139%08d", w.people.Add(1))}
		n, err := rekey.ChinaMobile(p.mobile)
		if err != nil {
			return err
		}
		if _, err = h.Users.Add(context.Background(), userdb.NewUser{Number: n, Password: embedded.OldPassword}); err != nil {
			return &rekey.Error{Kind: rekey.UsersDown, Cause: err}
		}
		return nil
	}); err != nil {
		return person{}, err
	}
	if _, err := again(func() error {
		sent, err := h.Service.Send(context.Background(), rekey.Client{}, p.mobile)
		p.flow = sent.Flow
		return err
	}); err != nil {
		return person{}, err
	}
	p.code = w.phones.code(p.mobile)
	return p, nil
}

// reset asks one replica, once.
func (w *town) reset(replica int, p person, password string) error {
	_, err := w.house(replica).Service.Reset(context.Background(), rekey.Client{Flow: p.flow},
		rekey.ResetRequest{Mobile: p.mobile, Code: p.code, Password: password})
	return err
}

// settled is reset until the answer is another than that something is down.
func (w *town) settled(replica int, p person, password string) error {
	_, err := again(func() error { return w.reset(replica, p, password) })
	return err
}

// guessing is the person with other digits, and in another flow.
func (p person) guessing(code, flow string) person {
	return person{mobile: p.mobile, flow: flow, code: code}
}

// accepts reports whether the person's password is this one.
func (w *town) accepts(p person, password string) (ok bool, err error) {
	n, err := rekey.ChinaMobile(p.mobile)
	if err != nil {
		return false, err
	}
	_, err = again(func() error {
		accounts, err := w.house(0).Users.Find(context.Background(), n)
		if err == nil && len(accounts) != 1 {
			return fmt.Errorf("%d accounts", len(accounts))
		}
		if err == nil {
			ok, err = accounts[0].Verify(context.Background(), password)
		}
		if err != nil {
			return &rekey.Error{Kind: rekey.UsersDown, Cause: err}
		}
		return nil
	})
	return ok, err
}

// patience is how long a test tries again where the answer is that something is down. Loaded as it is by the test itself, a
// slow machine may well say so.
const patience = time.Minute

// down reports whether an answer is that something is down: then the same request is to be made again, and nothing that the
// person had is lost.
func down(err error) bool {
	switch rekey.KindOf(err) {
	case rekey.StoreDown, rekey.UsersDown, rekey.Busy:
		return true
	}
	return false
}

// again asks until the answer is another than that something is down, and returns it with the number of those that were.
func again(ask func() error) (downs int, err error) {
	for deadline := time.Now().Add(patience); ; downs++ {
		if err = ask(); err == nil || !down(err) || time.Now().After(deadline) {
			return downs, err
		}
		time.Sleep(5 * time.Millisecond)
	}
}
