package sms_test

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"rekey/sms"
	"rekey/sms/smstest"
)

// documentedCodes reads the table of codes in the doc comment of a type: lines that begin with a tab, the first word of
// which is an outcome's name or, in a line that goes on, nothing. "Family.*" stands for its codes and for Family itself.
func documentedCodes(t *testing.T, file, typeName string) map[string]string {
	t.Helper()
	source, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	codes, outcome := map[string]string{}, ""
	for _, d := range source.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.TYPE || g.Specs[0].(*ast.TypeSpec).Name.Name != typeName {
			continue
		}
		for line := range strings.Lines(g.Doc.Text()) {
			table, ok := strings.CutPrefix(line, "\t")
			if !ok {
				continue
			}
			words := strings.Fields(table)
			if !strings.HasPrefix(table, " ") {
				outcome, words = words[0], words[1:]
			}
			for _, code := range words {
				if codes[code] != "" {
					t.Errorf("%s is there twice", code)
				}
				codes[strings.TrimSuffix(code, "†")] = outcome
			}
		}
	}
	if len(codes) == 0 {
		t.Fatalf("%s has no table", typeName)
	}
	return codes
}

func TestAliyunCodesComeToWhatTheirTableSays(t *testing.T) {
	t.Parallel()
	shared := documentedCodes(t, "aliyun.go", "Aliyun")
	own := documentedCodes(t, "aliyunverify.go", "AliyunVerify")
	for _, api := range aliyunAPIs() {
		tables := []map[string]string{shared}
		if api.name == "aliyun-verify" {
			tables = append(tables, own)
		}
		t.Run(api.name, func(t *testing.T) {
			t.Parallel()
			g := smstest.NewGateway(t, false, api.far, api.taken)
			p := newAliyun(t, api, sms.AliyunConfig{Endpoint: g.URL()})
			n := 0
			for _, table := range tables {
				for entry, want := range table {
					codes := []string{entry}
					if family, is := strings.CutSuffix(entry, ".*"); is {
						codes = []string{family, family + ".Anything"}
						if family == "isp" {
							codes = []string{"isp.SYSTEM_ERROR", "isp.GATEWAY_ERROR"}
						}
					}
					for _, code := range codes {
						for _, status := range []int{200, 400, 403, 500, 503} {
							g.Misbehave(func(w http.ResponseWriter, r *http.Request) {
								w.WriteHeader(status)
								json.NewEncoder(w).Encode(map[string]string{
									"Code": code, "RequestId": "F655A8D5", "Message": "to " + canaryMobile + " with " + canaryCode + " and " + canarySecret,
								})
							})
							n++
							_, err := p.Send(t.Context(), smstest.Message(t, "m"+strconv.Itoa(n), canaryMobile, canaryCode))
							if got := sms.OutcomeOf(err).String(); got != want {
								t.Errorf("%d with %s: %s, want %s", status, code, got, want)
							}
							if r, ok := errors.AsType[*sms.Refusal](err); !ok || r.Code != code {
								t.Errorf("%d with %s: the error is %v", status, code, err)
							}
							smstest.CheckSilent(t, err, canaryMobile, canaryCode, canarySecret, canaryKeyID)
						}
					}
				}
			}
		})
	}
}

func TestEveryAliyunCodeThatIsJudgedIsDocumented(t *testing.T) {
	t.Parallel()
	documented := documentedCodes(t, "aliyun.go", "Aliyun")
	for code, outcome := range documentedCodes(t, "aliyunverify.go", "AliyunVerify") {
		documented[code] = outcome
	}
	source, err := parser.ParseFile(token.NewFileSet(), "aliyunanswer.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	judged := 0
	ast.Inspect(source, func(n ast.Node) bool {
		f, ok := n.(*ast.FuncDecl)
		if !ok || f.Name.Name != "aliyunOutcome" {
			return n == source
		}
		ast.Inspect(f, func(n ast.Node) bool {
			c, ok := n.(*ast.CaseClause)
			if !ok {
				return true
			}
			for _, e := range c.List {
				code, err := strconv.Unquote(e.(*ast.BasicLit).Value)
				if err != nil {
					t.Fatal(err)
				}
				judged++
				if documented[code] == "" && documented[code+".*"] == "" {
					t.Errorf("%s is judged, but stands in no table", code)
				}
			}
			return true
		})
		return false
	})
	if judged < len(documented) {
		t.Errorf("%d codes are judged, %d documented", judged, len(documented))
	}
}
