package web_test

import (
	"net/http"
	"strings"
	"time"

	"rekey"
	"rekey/web"
)

func pageRows() []row {
	page := headerOnly(200, "Content-Type: text/html; charset=utf-8", "Cache-Control: no-store")
	return []row{
		{name: "the page", ask: get(""), want: page, then: func(h *house) {
			c := h.cookies["csrf_token"]
			if c == nil || c.HttpOnly || c.Secure || c.Path != "/" || c.SameSite != http.SameSiteLaxMode || c.MaxAge != 0 ||
				strings.Trim(c.Value, base64url) != "" {
				h.Errorf("the cookie of the CSRF token is %v", c)
			}
		}},
		{name: "the page, public origin https", with: origins, ask: get(""), want: page, then: func(h *house) {
			if !h.cookies["csrf_token"].Secure {
				h.Error("the cookie of the CSRF token is not Secure")
			}
		}},
		{name: "HEAD as GET", ask: request{"HEAD", "/forget_pwd/", "", nil}, want: page},
		{name: "without its slash", ask: request{"GET", "/forget_pwd", "", nil},
			want: headerOnly(308, "Location: /forget_pwd/")},
		{name: "without its slash, with a query", ask: request{"GET", "/forget_pwd?next=%2Fhome", "", nil},
			want: headerOnly(308, "Location: /forget_pwd/?next=%2Fhome")},
		{name: "without its slash, any method", ask: request{"DELETE", "/forget_pwd", "", nil},
			want: headerOnly(308, "Location: /forget_pwd/")},
	}
}

const base64url = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

func checkRows() []row {
	registered := ok("", `{"mobile":"13800000001","count":1}`)
	malformed := no(404, "4103", txtNumber)
	rows := []row{
		{name: "registered once", ask: get("mobiles/13800000001/"), want: registered},
		{name: "not registered", ask: get("mobiles/13900000002/"), want: ok("", `{"mobile":"13900000002","count":0}`)},
		{name: "several accounts", ask: get("mobiles/13800000002/"), want: ok("", `{"mobile":"13800000002","count":2}`)},
		{name: "an inactive account is not counted", ask: get("mobiles/13800000003/"),
			want: ok("", `{"mobile":"13800000003","count":0}`)},
		{name: "disclosure off, registered", with: noDisclosure, ask: get("mobiles/13800000001/"), want: registered},
		{name: "disclosure off, not registered", with: noDisclosure, ask: get("mobiles/13900000002/"),
			want: ok("", `{"mobile":"13900000002","count":1}`)},
		{name: "disclosure off, several accounts", with: noDisclosure, ask: get("mobiles/13800000002/"),
			want: ok("", `{"mobile":"13800000002","count":1}`)},
		{name: "asked too often", with: limits(func(l *rekey.Limits) { l.AddressLookups = 1 }),
			given: asked(get("mobiles/13900000002/")), ask: get("mobiles/13800000001/"),
			want: no(429, "4201", txtLimited).withData(`{"retry_after":600}`).withHeader(retryAfterFor + "600")},
		{name: "users database down", given: usersDown, ask: get("mobiles/13800000001/"),
			want: no(503, "4001", "数据库错误,请稍后重试")},
		{name: "code store down", given: storeDown, ask: get("mobiles/13800000001/"), want: no(503, "4500", txtDown)},

		{name: "at the doubled base path", ask: get("forget_pwd/mobiles/13800000001/"), want: registered},
		{name: "at the doubled base path, without the trailing slash", ask: get("forget_pwd/mobiles/13800000001"),
			want: registered},
		{name: "without the trailing slash", ask: get("mobiles/13800000001"), want: registered},
		{name: "with a query", ask: get("mobiles/13800000001/?_=1"), want: registered},
	}
	for _, m := range []struct{ name, path string }{
		{"too short", "1380000000"}, {"too long", "138000000011"}, {"empty", ""}, {"second digit", "12800000001"},
		{"first digit", "23800000001"}, {"letters", "1380000000a"}, {"full-width digits", "１３８００００００01"},
		{"full-width digits, escaped", "%EF%BC%9113800000001"}, {"Arabic-Indic digits", "%D9%A113800000001"},
		{"newline", "13800000001%0a"}, {"carriage return", "13800000001%0d"}, {"%2f", "1380000%2f0001"},
		{"%2f at the end", "13800000001%2f"}, {"%2F at the end", "13800000001%2F"}, {"NUL", "13800000001%00"},
		{"a suffix", "13800000001x"}, {"another segment", "13800000001/x"}, {"two slashes", "13800000001/"},
		{"a slash before", "/13800000001"}, {"dots", "../mobiles/13800000001"}, {"space", "13800000001%20"},
		{"+86", "+8613800000001"}, {"0086", "008613800000001"}, {"escaped twice", "%2531%2533800000001"},
		{"bad UTF-8", "1380000000%FF"},
	} {
		rows = append(rows, row{name: "T25 not of the form, " + m.name, ask: get("mobiles/" + m.path + "/"), want: malformed})
	}
	return rows
}

func sendRows() []row {
	sent := ok(txtSent, sentData)
	wrong := no(200, "4103", txtNumber)
	parameter := no(200, "4103", txtParameter)
	rows := []row{
		{name: "sent", ask: send(alice), want: sent, sms: 1, then: func(h *house) {
			c := h.cookies["rekey_flow"]
			if c == nil || !c.HttpOnly || c.Secure || c.Path != "/" || c.SameSite != http.SameSiteLaxMode ||
				c.MaxAge != 900 || strings.Trim(c.Value, base64url) != "" || len(c.Value) != 22 {
				h.Errorf("the cookie of the flow is %v", c)
			}
		}},
		{name: "sent, under https", with: origins, ask: send(alice), sms: 1, want: headerOnly(200),
			then: func(h *house) {
				if c := h.cookies["__Host-rekey_flow"]; c == nil || !c.Secure || c.Path != "/" || c.Domain != "" {
					h.Errorf("the cookie of the flow is %v", c)
				}
			}},
		{name: "without the trailing slash", ask: post("sms_code", `{"mobile":"13800000001"}`), want: sent, sms: 1},
		{name: "unknown keys are ignored", ask: post("sms_code/", `{"mobile":"13800000001","x":[1e400,{"y":null}]}`),
			want: sent, sms: 1},
		{name: "a flow that is no string counts as none", ask: post("sms_code/", `{"mobile":"13800000001","flow":["x"]}`),
			want: sent, sms: 1},
		{name: "a malformed flow counts as none", ask: post("sms_code/", `{"mobile":"13800000001","flow":"../x"}`),
			want: sent, sms: 1},
		{name: "again in the flow of the cookie", given: codeFor(alice), after: time.Minute, ask: send(alice), sms: 1,
			want: ok(txtSent, `{"retry_after":120,"expires_in":300,"flow":"FLOW"}`)},
		{name: "whatever the type says, form", ask: send(alice, "Content-Type: application/x-www-form-urlencoded"),
			want: sent, sms: 1},
		{name: "whatever the type says, text", ask: send(alice, "Content-Type: text/plain", "Accept: text/html"),
			want: sent, sms: 1},
		{name: "a form that wants HTML", sms: 1, ask: post("sms_code/", "mobile=13800000001",
			"Content-Type: application/x-www-form-urlencoded", "Accept: text/html,*/*;q=0.8"), want: headerOnly(200)},

		{name: "empty body", ask: post("sms_code/", ""), want: no(200, "4103", "参数为空,请重新输入")},
		{name: "not acceptable JSON", ask: post("sms_code/", "mobile=13800000001"), want: no(200, "4501", txtUnknown)},
		{name: "white space", ask: post("sms_code/", " \n"), want: no(200, "4501", txtUnknown)},

		{name: "within the interval", given: codeFor(alice), after: 18 * time.Second, ask: send(alice),
			want: no(200, "4003", "发送短信频繁").withData(`{"retry_after":42}`)},
		{name: "T30 nobody registered", ask: send(nobody), want: no(200, "4002", "该手机号尚未注册")},
		{name: "inactive", ask: send(inactive), want: no(200, "4002", "该手机号尚未注册")},
		{name: "T30 nobody registered, disclosure off", with: noDisclosure, ask: send(nobody), want: sent},
		{name: "nobody registered, disclosure off, within the interval", with: noDisclosure, given: codeFor(nobody),
			ask: send(nobody), want: no(200, "4003", "发送短信频繁").withData(`{"retry_after":60}`)},
		{name: "several accounts", ask: send(twins), want: no(200, "4004", "该手机号对应多个账号,请联系客服")},
		{name: "several accounts, disclosure off", with: noDisclosure, ask: send(twins), want: sent},
		{name: "a cap on this number", with: limits(func(l *rekey.Limits) { l.NumberSendsHour = 1 }),
			given: codeFor(alice), after: 10 * time.Minute, ask: send(alice),
			want: no(200, "4201", txtLimited).withData(`{"retry_after":3000}`)},
		{name: "a cap on the address", with: limits(func(l *rekey.Limits) { l.AddressSends10m = 1 }),
			given: asked(send(nobody)), ask: send(alice),
			want: no(200, "4201", txtLimited).withData(`{"retry_after":600}`)},
		{name: "a cap on the prefix", with: limits(func(l *rekey.Limits) { l.PrefixSendsHour = 1 }),
			given: codeFor(alice), after: time.Minute, ask: send(alice),
			want: no(200, "4201", txtLimited).withData(`{"retry_after":3540}`)},
		{name: "a cap on the whole service", with: limits(func(l *rekey.Limits) { l.ServiceSendsDay = 1 }),
			// A bubble's clock starts at midnight UTC.
			given: codeFor(alice), after: time.Hour, ask: send(alice),
			want: no(200, "4201", txtLimited).withData(`{"retry_after":82800}`)},
		{name: "every provider failed", given: providersFail, ask: send(alice),
			want: no(200, "4301", "短信发送失败,请稍后重试"),
			then: all(providersBack, succeeds(send(alice)))},
		{name: "every provider failed, disclosure off", with: noDisclosure, given: providersFail, ask: send(alice),
			want: sent},
		{name: "code store down", given: storeDown, ask: send(alice), want: no(503, "4500", txtDown),
			then: all(storeBack, succeeds(send(alice)))},
		{name: "users database down", given: usersDown, ask: send(alice), want: no(503, "4001", txtDown),
			then: all(usersBack, succeeds(send(alice)))},
	}
	for _, m := range []struct{ name, mobile string }{
		{"spaces", "138 0000 0001"}, {"space before", " 13800000001"}, {"+86", "+8613800000001"},
		{"0086", "008613800000001"}, {"trailing newline", `13800000001\n`}, {"full-width digits", "１３８０００００００１"},
		{"Arabic-Indic digits", "١٣٨٠٠٠٠٠٠٠١"}, {"too short", "1380000000"}, {"too long", "138000000011"},
		{"NUL", `13800000001\u0000`}, {"letters", "mobile"}, {"hyphens", "138-0000-0001"},
	} {
		rows = append(rows, row{name: "T25 mobile not of the form, " + m.name, ask: send(m.mobile), want: wrong})
	}
	for _, m := range []struct{ name, body string }{
		{"an array", `["13800000001"]`}, {"a string", `"13800000001"`}, {"a number", `13800000001`}, {"null", `null`},
		{"true", `true`}, {"missing", `{}`}, {"null mobile", `{"mobile":null}`}, {"empty mobile", `{"mobile":""}`},
		{"a number as mobile", `{"mobile":13800000001}`}, {"an array as mobile", `{"mobile":["13800000001"]}`},
		{"an object as mobile", `{"mobile":{"mobile":"13800000001"}}`}, {"a bool as mobile", `{"mobile":true}`},
		{"another case", `{"Mobile":"13800000001"}`}, {"capitals", `{"MOBILE":"13800000001"}`},
	} {
		rows = append(rows, row{name: "T24 not as it should be, " + m.name, ask: post("sms_code/", m.body), want: parameter})
	}
	return rows
}

func resetRows() []row {
	done := ok(txtReset, "null")
	missing := no(403, "4103", txtMissing)
	expired := no(200, "4103", txtExpired)
	down := no(503, "4500", txtDown)
	gone := no(200, "4103", "不存在当前用户")
	good := reset(alice, "CODE", newPassword)
	unchanged := passwordIs("Old1")
	rows := []row{
		{name: "empty body", ask: post("", ""), want: no(200, "4103", "参数错误,请检查")},
		{name: "not acceptable JSON", ask: post("", `{"mobile":`), want: no(200, "4501", txtUnknown)},
		{name: "white space", ask: post("", "\t"), want: no(200, "4501", txtUnknown)},
		{name: "mobile not of the form", given: codeFor(alice), ask: reset("+8613800000001", "x", "x"),
			want: no(403, "4103", "手机号码格式输入错误"), then: attemptsLeft(4)},
		{name: "password against the policy", given: codeFor(alice), ask: reset(alice, "x", "short"),
			want: no(403, "4103", txtPassword), then: attemptsLeft(4)},
		{name: "password with a hyphen", ask: reset(alice, "x", "Correct-7-Horse"), want: no(403, "4103", txtPassword)},
		{name: "password too common", ask: reset(alice, "x", "password1"), want: no(403, "4103", "这个密码太常见,请换一个")},
		{name: "the number as password", ask: reset(alice, "x", alice), want: no(403, "4103", "新密码不能是手机号")},
		{name: "nist, password too short", with: nist, ask: reset(alice, "x", "short"),
			want: no(403, "4103", "新密码需为 8 到 128 位字符")},

		{name: "no code was sent", ask: reset(alice, "CODE", newPassword), want: expired},
		{name: "T30 nobody registered", ask: reset(nobody, "CODE", newPassword), want: expired},
		{name: "it has expired", given: codeFor(alice), after: 5*time.Minute + time.Millisecond, ask: good, want: expired,
			then: unchanged},
		{name: "it is about to expire", given: codeFor(alice), after: 5*time.Minute - time.Second, ask: good, want: done},
		{name: "it has been used", given: all(codeFor(alice), asked(good)), ask: reset(alice, "CODE", "Another7Horse"),
			want: expired, then: passwordIs(newPassword)},
		{name: "the password has changed since", want: expired, ask: good,
			given: all(codeFor(alice), func(h *house) {
				h.people.change(func(rows map[string][]*person) { h.people.write(rows["+86"+alice][0], "Elsewhere1") })
			}), then: passwordIs("Elsewhere1")},
		{name: "wrong code", given: codeFor(alice), ask: reset(alice, "WRONG", newPassword),
			want: no(403, "4103", txtWrong).withData(`{"attempts_left":4}`), then: all(unchanged, succeeds(good))},
		{name: "wrong code, without the flow", given: all(codeFor(alice), otherClient),
			ask:  reset(alice, "WRONG", newPassword),
			want: no(403, "4103", txtWrong).withData(`{"attempts_left":2}`)},
		{name: "wrong code, disclosure off, nobody registered", with: noDisclosure, given: codeFor(nobody),
			ask: reset(nobody, "WRONG", newPassword), want: no(403, "4103", txtWrong).withData(`{"attempts_left":4}`)},
		{name: "too many wrong codes", ask: good,
			given: all(codeFor(alice), func(h *house) {
				for _, password := range []string{"Guess1Horse", "Guess2Horse", "Guess3Horse", "Guess4Horse", "Guess5Horse"} {
					asked(reset(alice, "WRONG", password))(h)
				}
			}),
			want: no(429, "4201", "验证码错误次数过多,请重新获取").withHeader(retryAfterFor + "60"), then: unchanged},
		{name: "the account is gone", want: gone, ask: good, given: all(codeFor(alice), func(h *house) {
			h.people.change(func(rows map[string][]*person) { delete(rows, "+86"+alice) })
		})},
		{name: "the account is inactive", want: gone, ask: good, then: unchanged, given: all(codeFor(alice), func(h *house) {
			h.people.change(func(rows map[string][]*person) { rows["+86"+alice][0].inactive = true })
		})},
		{name: "the number has moved since the send", want: gone, ask: good, then: unchanged,
			given: all(codeFor(alice), func(h *house) {
				h.people.change(func(rows map[string][]*person) { rows["+86"+alice][0].id = "9" })
			})},
		{name: "right code", given: codeFor(alice), ask: good, want: done, then: all(passwordIs(newPassword), func(h *house) {
			c := h.cookies["rekey_device"]
			if c == nil || !c.HttpOnly || c.Path != "/" || c.MaxAge != 180*24*3600 || c.SameSite != http.SameSiteLaxMode {
				h.Errorf("the cookie of the device is %v", c)
			}
		})},
		{name: "right code, without the flow", given: all(codeFor(alice), otherClient), ask: good, want: done,
			then: passwordIs(newPassword)},
		{name: "right code, the flow in the body", given: all(codeFor(alice), func(h *house) {
			flow := h.cookie("rekey_flow")
			otherClient(h)
			for i := range 3 { // the pool of guesses without a flow is used up
				asked(post("", `{"mobile":"13800000001","sms_code":"WRONG","new_password":"Guess`+string(rune('0'+i))+`Horse"}`))(h)
			}
			h.cookies["rekey_flow"] = &http.Cookie{Name: "rekey_flow", Value: "AAAAAAAAAAAAAAAAAAAAAA"}
			w := h.ask("POST", "/forget_pwd/",
				`{"mobile":"13800000001","sms_code":"CODE","new_password":"`+newPassword+`","flow":"`+flow+`"}`)
			if errno(h, w) != "0" {
				h.Errorf("with the flow in the body: %s", w.Body)
			}
		}), ask: reset(alice, "CODE", "Another7Horse"), want: expired, then: passwordIs(newPassword)},
		{name: "the same body again", given: all(codeFor(alice), asked(good)), ask: good, want: done, then: func(h *house) {
			if h.people.writes != 1 {
				h.Errorf("the password was set %d times", h.people.writes)
			}
		}},
		{name: "the same wrong body again", given: all(codeFor(alice), asked(reset(alice, "WRONG", newPassword))),
			ask:  reset(alice, "WRONG", newPassword),
			want: no(403, "4103", txtWrong).withData(`{"attempts_left":4}`)},
		{name: "code store down", given: all(codeFor(alice), storeDown), ask: good, want: down,
			then: all(unchanged, storeBack, succeeds(good))},
		{name: "users database down", given: all(codeFor(alice), usersDown), ask: good,
			want: no(503, "4001", txtDown), then: all(unchanged, usersBack, succeeds(good))},
		{name: "the hashing queue is full", given: all(codeFor(alice), hashingBusy), ask: good,
			want: no(503, "4500", "服务繁忙,请稍后重试"), then: all(unchanged, hashingFree, attemptsLeft(4), succeeds(good))},
		{name: "whatever the type says", given: codeFor(alice), want: done,
			ask: reset(alice, "CODE", newPassword, "Content-Type: application/x-www-form-urlencoded", "Accept: */*")},
		{name: "a form that wants HTML", given: codeFor(alice), then: passwordIs(newPassword),
			ask: post("", "mobile=13800000001&sms_code=CODE&new_password="+newPassword,
				"Content-Type: application/x-www-form-urlencoded; charset=UTF-8", "Accept: text/html"),
			want: headerOnly(200, "Content-Type: text/html; charset=utf-8")},
	}
	for _, code := range []string{"12345", "1234567", "12345a", "+12345", "１２３４５６", "١٢٣٤٥٦", `123456\n`, "12 456", `\u0000123456`} {
		rows = append(rows, row{name: "T25 code not exactly six ASCII digits, " + code, given: codeFor(alice),
			ask: reset(alice, code, newPassword), want: no(403, "4103", "验证码错误,请重新输入"), then: attemptsLeft(4)})
	}
	for _, m := range []struct{ name, body string }{
		{"an array", `[]`}, {"null", `null`}, {"a string", `"x"`}, {"nothing in it", `{}`},
		{"no mobile", `{"sms_code":"CODE","new_password":"Correct7Horse"}`},
		{"no code", `{"mobile":"13800000001","new_password":"Correct7Horse"}`},
		{"no password", `{"mobile":"13800000001","sms_code":"CODE"}`},
		{"null mobile", `{"mobile":null,"sms_code":"CODE","new_password":"Correct7Horse"}`},
		{"empty code", `{"mobile":"13800000001","sms_code":"","new_password":"Correct7Horse"}`},
		{"a number as code", `{"mobile":"13800000001","sms_code":123456,"new_password":"Correct7Horse"}`},
		{"an array as code", `{"mobile":"13800000001","sms_code":["CODE"],"new_password":"Correct7Horse"}`},
		{"an object as password", `{"mobile":"13800000001","sms_code":"CODE","new_password":{"a":"b"}}`},
		{"a bool as password", `{"mobile":"13800000001","sms_code":"CODE","new_password":true}`},
		{"an empty password", `{"mobile":"13800000001","sms_code":"CODE","new_password":""}`},
		{"another case", `{"mobile":"13800000001","sms_code":"CODE","New_Password":"Correct7Horse"}`},
		{"ſ for s", `{"mobile":"13800000001","ſms_code":"CODE","new_password":"Correct7Horse"}`},
	} {
		rows = append(rows, row{name: "T24 a field not as it should be, " + m.name, given: codeFor(alice),
			ask: post("", m.body), want: missing, then: all(unchanged, attemptsLeft(4))})
	}
	return rows
}

func nist(core *rekey.Options, _ *web.Options) {
	policy, err := rekey.NewPolicy("nist", false)
	if err != nil {
		panic(err)
	}
	core.Policy = policy
}

func jsonRows() []row {
	var rows []row
	for _, b := range []struct{ name, body string }{
		{"a BOM", "\ufeff" + `{"mobile":"13800000001"}`},
		{"bad UTF-8", "{\"mobile\":\"13800000001\",\"x\":\"\xff\"}"},
		{"nine deep", `{"mobile":"13800000001","x":[[[[[[[[1]]]]]]]]}`},
		{"as deep as fits", strings.Repeat("[", 2048) + strings.Repeat("]", 2048)},
		{"a duplicate key", `{"mobile":"13800000001","mobile":"13900000002"}`},
		{"a duplicate key, escaped", `{"mobile":"13800000001","mob\u0069le":"13900000002"}`},
		{"a duplicate key within", `{"mobile":"13800000001","x":{"a":1,"a":2}}`},
		{"NaN", `{"mobile":"13800000001","x":NaN}`},
		{"Infinity", `{"mobile":"13800000001","x":-Infinity}`},
		{"a lone surrogate", `{"mobile":"13800000001","x":"\ud800"}`},
		{"a low surrogate first", `{"mobile":"13800000001","x":"\udc00\ud800"}`},
		{"something after the value", `{"mobile":"13800000001"}{}`},
		{"a NUL after the value", `{"mobile":"13800000001"}` + "\x00"},
		{"single quotes", `{'mobile':'13800000001'}`},
		{"a trailing comma", `{"mobile":"13800000001",}`},
		{"a comment", `{"mobile":"13800000001"/**/}`},
		{"a raw newline in a string", "{\"mobile\":\"13800000001\n\"}"},
		{"cut off", `{"mobile":"13800000001"`},
	} {
		rows = append(rows, row{name: "T24 " + b.name, ask: post("sms_code/", b.body), want: no(200, "4501", txtUnknown)})
	}
	tooLarge := no(413, "4103", "请求内容过大")
	return append(rows,
		row{name: "eight deep", ask: post("sms_code/", `{"mobile":"13800000001","x":[[[[[[[1]]]]]]]}`), sms: 1,
			want: ok(txtSent, sentData)},
		row{name: "T22 1e400, which nobody computes", ask: post("sms_code/", `{"mobile":"13800000001","x":1e400}`), sms: 1,
			want: ok(txtSent, sentData)},
		row{name: "4 KiB", ask: post("sms_code/", padded(4<<10)), sms: 1, want: ok(txtSent, sentData)},
		row{name: "T22 over 4 KiB", ask: post("sms_code/", padded(4<<10+1)), want: tooLarge},
		row{name: "T22 10,000 deep, which is over 4 KiB", want: tooLarge,
			ask: post("sms_code/", strings.Repeat("[", 10_000)+strings.Repeat("]", 10_000))},
		row{name: "T22 over 4 KiB, reset", ask: post("", padded(1<<20)), want: tooLarge},
		row{name: "T22 over 4 KiB, a form", ask: post("", padded(1<<20), "Content-Type: application/x-www-form-urlencoded",
			"Accept: text/html"), want: headerOnly(413, "Content-Type: text/html; charset=utf-8")},
		row{name: "T22 encoded", ask: send(alice, "Content-Encoding: gzip"), want: no(415, "4103", "不支持压缩或编码的请求内容")},
		row{name: "T22 encoded, twice", ask: send(alice, "Content-Encoding: ", "Content-Encoding: br"),
			want: no(415, "4103", "不支持压缩或编码的请求内容")},
	)
}

// padded is a good body of n bytes.
func padded(n int) string {
	const head, tail = `{"mobile":"13800000001","x":"`, `"}`
	return head + strings.Repeat("x", n-len(head)-len(tail)) + tail
}

func crossSiteRows() []row {
	refused := no(403, "4101", txtCrossSite)
	sent := ok(txtSent, sentData)
	const own = "Origin: http://example.com" // httptest's Host is example.com
	visited := asked(get(""))                // the page, which sets the cookie of the CSRF token
	rows := []row{
		{name: "same origin by Origin", ask: send(alice, own), want: sent, sms: 1},
		{name: "same origin by Sec-Fetch-Site", ask: send(alice, "Sec-Fetch-Site: same-origin"), want: sent, sms: 1},
		{name: "typed by the user", ask: send(alice, "Sec-Fetch-Site: none"), want: sent, sms: 1},
		{name: "public origin, another Host behind the proxy", with: origins, sms: 1,
			ask: send(alice, "Origin: https://www.example.com"), want: headerOnly(200, "Access-Control-Allow-Origin: ")},
		{name: "a configured origin", with: origins, sms: 1,
			ask: send(alice, "Origin: https://app.example.net", "Sec-Fetch-Site: cross-site"),
			want: headerOnly(200, "Access-Control-Allow-Origin: https://app.example.net",
				"Access-Control-Allow-Credentials: true", "Vary: Origin", "Cross-Origin-Resource-Policy: cross-origin")},
		{name: "a configured origin, check", with: origins, ask: get("mobiles/13800000001/", "Origin: https://app.example.net"),
			want: headerOnly(200, "Access-Control-Allow-Origin: https://app.example.net")},
		{name: "a browser with its framework's token", sms: 1, want: sent,
			ask: send(alice, own, "X-CSRFToken: of-another-framework")},
		{name: "native, no token", ask: send(alice), want: sent, sms: 1},
		{name: "native, no token, with cookies", given: visited, ask: send(alice), want: sent, sms: 1},
		{name: "native, our token", given: visited, sms: 1, want: sent, ask: send(alice, "X-CSRFToken: TOKEN")},
		{name: "native, another token than the cookie's", given: visited, want: refused, ask: send(alice, "X-CSRFToken: wrong")},
		{name: "native, an empty token", given: visited, want: refused, ask: send(alice, "X-CSRFToken: ")},
		{name: "native, a token without cookie", want: refused, ask: send(alice, "X-CSRFToken: wrong")},
		{name: "native, a token that we did not sign", want: refused, ask: send(alice, "X-CSRFToken: TOKEN"),
			given: func(h *house) { h.cookies["csrf_token"] = &http.Cookie{Name: "csrf_token", Value: "abc"} }},
		{name: "names of cookie and header are settings", given: visited, sms: 1, want: sent,
			with: func(_ *rekey.Options, front *web.Options) { front.CSRFCookie, front.CSRFHeader = "csrf_ours", "X-Ours" },
			ask:  send(alice, "X-CSRFToken: not-looked-at")},
	}
	for _, s := range []struct {
		name    string
		headers []string
	}{
		{"another site", []string{"Origin: https://evil.example"}},
		{"another site by Sec-Fetch-Site", []string{"Sec-Fetch-Site: cross-site"}},
		{"a sibling subdomain", []string{"Origin: http://evil.example.com", "Sec-Fetch-Site: same-site"}},
		{"a sibling subdomain in an old browser", []string{"Origin: http://evil.example.com"}},
		{"another port", []string{"Origin: http://example.com:8080"}},
		{"Origin null", []string{"Origin: null"}},
		{"Origin null, same origin it says", []string{"Origin: null", "Sec-Fetch-Site: same-origin"}},
		{"two Origins", []string{own, "Origin: https://evil.example"}},
		{"an empty Origin", []string{"Origin: "}},
		{"our token from another site", []string{"Origin: https://evil.example", "X-CSRFToken: TOKEN"}},
		{"a text/plain form from another site", []string{"Origin: https://evil.example", "Content-Type: text/plain"}},
		{"an origin that only CORS configurations elsewhere know", []string{"Origin: https://app.example.net"}},
	} {
		rows = append(rows,
			row{name: "T33 send, " + s.name, given: visited, ask: send(alice, s.headers...), want: refused,
				then: succeeds(send(alice))},
			row{name: "T33 reset, " + s.name, given: all(visited, codeFor(alice)), want: refused,
				ask: reset(alice, "CODE", newPassword, s.headers...), then: all(passwordIs("Old1"), attemptsLeft(4))})
	}
	return append(rows,
		row{name: "T33 the plain-http twin of the public origin", with: origins, want: refused,
			ask: send(alice, "Host: www.example.com", "Origin: http://www.example.com")},
		row{name: "T33 a form from another site", then: passwordIs("Old1"), given: codeFor(alice),
			ask: post("", "mobile=13800000001&sms_code=CODE&new_password="+newPassword, "Origin: https://evil.example",
				"Content-Type: application/x-www-form-urlencoded", "Accept: text/html"),
			want: headerOnly(403, "Content-Type: text/html; charset=utf-8")},
	)
}

func methodRows() []row {
	method := no(405, "4103", txtNoMethod)
	notFound := no(404, "4103", txtNotFound)
	const onPage, onCheck, onSend = "Allow: GET, HEAD, OPTIONS, POST", "Allow: GET, HEAD, OPTIONS", "Allow: OPTIONS, POST"
	at := func(method, path string, headers ...string) request { return request{method, path, "", headers} }
	noCORS := []string{"Access-Control-Allow-Origin: ", "Access-Control-Allow-Methods: ", "Vary: "}
	return []row{
		{name: "PUT on the page", ask: at("PUT", "/forget_pwd/"), want: method.withHeader(onPage)},
		{name: "a method nobody knows", ask: at("BREW", "/forget_pwd/"), want: method.withHeader(onPage)},
		{name: "GET on send", ask: get("sms_code/"), want: method.withHeader(onSend)},
		{name: "HEAD on send", ask: at("HEAD", "/forget_pwd/sms_code/"), want: headerOnly(405, onSend)},
		{name: "POST on check", ask: post("mobiles/13800000001/", ""), want: method.withHeader(onCheck)},
		{name: "HEAD on check", ask: at("HEAD", "/forget_pwd/mobiles/13800000001/"), want: headerOnly(200)},

		{name: "OPTIONS on the page", ask: at("OPTIONS", "/forget_pwd/"), want: headerOnly(204, append(noCORS, onPage)...)},
		{name: "OPTIONS on check", ask: at("OPTIONS", "/forget_pwd/mobiles/13800000001/"), want: headerOnly(204, onCheck)},
		{name: "OPTIONS on send", ask: at("OPTIONS", "/forget_pwd/sms_code/"), want: headerOnly(204, onSend)},
		{name: "a preflight where no origins are configured", want: headerOnly(204, append(noCORS, onSend)...),
			ask: at("OPTIONS", "/forget_pwd/sms_code/", "Origin: https://app.example.net", "Access-Control-Request-Method: POST")},
		{name: "a preflight of a configured origin", with: origins,
			ask: at("OPTIONS", "/forget_pwd/sms_code/", "Origin: https://app.example.net", "Access-Control-Request-Method: POST"),
			want: headerOnly(204, onSend, "Access-Control-Allow-Origin: https://app.example.net",
				"Access-Control-Allow-Credentials: true", "Access-Control-Allow-Methods: OPTIONS, POST",
				"Access-Control-Allow-Headers: Content-Type, X-Rekey-Proof, X-CSRFToken")},
		{name: "a preflight of another origin", with: origins,
			ask: at("OPTIONS", "/forget_pwd/sms_code/", "Origin: https://evil.example", "Access-Control-Request-Method: POST"),
			want: headerOnly(204, "Access-Control-Allow-Origin: ", "Access-Control-Allow-Methods: ",
				"Access-Control-Allow-Credentials: ", "Vary: Origin")},

		{name: "an unknown path", ask: at("GET", "/"), want: notFound},
		{name: "an unknown path below the base", ask: get("nothing"), want: notFound},
		{name: "an unknown path, POST", ask: post("nothing/", "{}"), want: notFound},
		{name: "an unknown path, OPTIONS", ask: at("OPTIONS", "/nothing"), want: notFound},
		{name: "mobiles without a number", ask: get("mobiles"), want: notFound},
		{name: "a doubled slash", ask: at("GET", "//forget_pwd/"), want: notFound},
		{name: "dots", ask: at("GET", "/forget_pwd/../forget_pwd/"), want: notFound},
		{name: "an escaped slash in the base", ask: at("GET", "/forget_pwd%2f"), want: notFound},
		{name: "the base in capitals", ask: at("GET", "/FORGET_PWD/"), want: notFound},
		{name: "an unknown path, a form", want: headerOnly(404, "Content-Type: text/html; charset=utf-8"),
			ask: post("nothing/", "mobile=13800000001", "Content-Type: application/x-www-form-urlencoded", "Accept: text/html")},

		{name: "another base path", with: basePath("/account/recover/"), ask: at("POST", "/account/recover/"),
			want: no(200, "4103", "参数错误,请检查")},
		{name: "another base path, doubled", with: basePath("/account/recover/"),
			ask:  at("GET", "/account/recover/account/recover/mobiles/13800000001/"),
			want: ok("", `{"mobile":"13800000001","count":1}`)},
		{name: "the root as base path", with: basePath("/"), ask: at("GET", "/mobiles/13800000001"),
			want: ok("", `{"mobile":"13800000001","count":1}`)},
	}
}

func basePath(path string) setting {
	return func(_ *rekey.Options, front *web.Options) { front.BasePath = path }
}
