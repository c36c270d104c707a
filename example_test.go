package rekey_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"

	"rekey"
	"rekey/codestore"
	"rekey/web"
)

// users is the application's own users table, behind the door rekey.Directory. A real one hashes and compares as its
// framework does; package userdb does so for tables in a database.
type users map[string]string // mobile → "salt$password"

func (u users) Find(_ context.Context, n rekey.Number) ([]rekey.Account, error) {
	stored, ok := u[n.National()]
	if !ok {
		return nil, nil
	}
	verify := func(_ context.Context, password string) (bool, error) {
		return strings.HasSuffix(stored, "$"+password), nil
	}
	return []rekey.Account{{ID: n.National(), Number: n, Hash: stored, Verify: verify}}, nil
}

func (u users) SetPassword(_ context.Context, a rekey.Account, password string) error {
	if u[a.ID] != a.Hash {
		return rekey.ErrStale
	}
	u[a.ID] = rand.Text() + "$" + password // every hash has a new salt: the design rests on it
	return nil
}

// printer sends messages to the terminal, and remembers the code so that the example can type it.
type printer struct{ code string }

func (p *printer) Send(_ context.Context, m rekey.Message) (rekey.Receipt, error) {
	p.code = m.Code.Reveal()
	fmt.Println("a message to", m.To, "in", m.Language)
	return rekey.Receipt{Provider: "printer"}, nil
}

// A Go application mounts the recovery in its own server.
func Example() {
	keys, err := rekey.NewKeyring([][]byte{[]byte("at least 32 bytes, and kept secret")}, nil)
	if err != nil {
		log.Fatal(err)
	}
	table, phone, store := users{"13800000001": "salt$forgotten"}, &printer{}, codestore.NewMemory()
	service, err := rekey.New(rekey.Options{
		Directory: table, Codes: store, Limiter: store, Sender: phone, Keys: keys,
		Disclosure: true, Code: rekey.DefaultCodeSettings(), Limits: rekey.DefaultLimits(),
	})
	if err != nil {
		log.Fatal(err)
	}
	recovery, err := web.New(web.Options{Service: service, Keys: keys})
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/forget_pwd/", recovery)

	// A person asks for a code, and redeems it.
	server := httptest.NewServer(mux)
	defer server.Close()
	post := func(path, body string) *http.Response {
		response, err := http.Post(server.URL+path, "application/json", strings.NewReader(body))
		if err != nil {
			log.Fatal(err)
		}
		response.Body.Close()
		return response
	}
	post("/forget_pwd/sms_code/", `{"mobile": "13800000001"}`)
	answer := post("/forget_pwd/", `{"mobile": "13800000001", "sms_code": "`+phone.code+`", "new_password": "remembered9"}`)
	fmt.Println(answer.Status, strings.HasSuffix(table["13800000001"], "$remembered9"))
	// Output:
	// a message to +86 138****01 in zh-CN
	// 200 OK true
}
