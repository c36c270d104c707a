"""Users tables of frameworks that are not at hand, with who may sign in as their sources say: peer_test.go says what a
peer is asked and what it answers. KIND names the framework."""

import json
import os
import sys
import time
import traceback
import uuid

from databases import Connection
from hashes import Bcrypt, delegating_make, delegating_verify, own_make, own_verify

HERE = os.path.dirname(os.path.abspath(__file__))


class RuoYi:
    """RuoYi-Vue: SysLoginService.loginPreCheck, UserDetailsServiceImpl.loadUserByUsername, SysPasswordService."""

    schema = "ruoyi.sql"

    def add(self, mobile, password, format):
        hash = "" if format == "none" else Bcrypt(12 if format == "bcrypt 12" else 10).make(password)
        status, deleted = ("1" if format == "stopped" else "0"), ("2" if format == "deleted" else "0")
        sql(
            "INSERT INTO sys_user (dept_id, user_name, nick_name, phonenumber, password, status, del_flag, login_ip, login_date,"
            " create_by, create_time, remark) VALUES (103, ?, '若依', ?, ?, ?, ?, '127.0.0.1', '2026-01-02 03:04:05', 'admin',"
            " '2026-01-01 00:00:00', '测试员')",
            mobile, mobile, hash, status, deleted,
        )
        return sql("SELECT user_id FROM sys_user WHERE user_name = ?", mobile)[0][0]

    def login(self, name, password):
        if not 5 <= len(password.decode()) <= 20:  # UserConstants.PASSWORD_MIN_LENGTH and _MAX_LENGTH
            return False
        found = sql("SELECT password, status FROM sys_user WHERE user_name = ? AND del_flag = '0'", name)
        return bool(found) and found[0][1] != "1" and found[0][0] != "" and Bcrypt(10).verify(password, found[0][0])


class GinVueAdmin:
    """gin-vue-admin: UserService.Login and BaseApi.Login."""

    schema = "gin-vue-admin.{engine}.sql"

    def add(self, mobile, password, format):
        hash = "" if format == "none" else Bcrypt(12 if format == "bcrypt 12" else 10).make(password)
        sql(
            "INSERT INTO sys_users (created_at, updated_at, deleted_at, uuid, username, password, phone, email, enable, dept_id,"
            " origin_setting, must_change_password) VALUES ('2026-01-01 00:00:00', '2026-01-02 03:04:05', ?, ?, ?, ?, ?, 'a@b.c', ?, 3,"
            " '{\"theme\":\"暗\"}', ?)",
            "2026-01-03 00:00:00" if format == "deleted" else None, str(uuid.uuid4()), mobile, hash, mobile,
            2 if format == "stopped" else 1, True,
        )
        return sql("SELECT id FROM sys_users WHERE username = ?", mobile)[0][0]

    def login(self, name, password):
        found = sql("SELECT password, enable FROM sys_users WHERE username = ? AND deleted_at IS NULL", name)
        return bool(found) and found[0][1] == 1 and found[0][0] != "" and Bcrypt(10).verify(password, found[0][0])


class Spring:
    """Spring Security with JdbcUserDetailsManager, DelegatingPasswordEncoder and Spring Session JDBC. With BARE the encoder
    is a BCryptPasswordEncoder alone."""

    schema = "spring.sql"
    bare = bool(os.environ.get("BARE"))

    def add(self, mobile, password, format):
        if format == "stopped":
            return self.insert(mobile, delegating_make("bcrypt", password), False)
        if format == "none":
            return self.insert(mobile, "", True)
        return self.insert(mobile, Bcrypt(10).make(password) if self.bare else delegating_make(format, password), True)

    def insert(self, mobile, hash, enabled):
        name = "user-" + mobile
        sql("INSERT INTO users (username, password, enabled, mobile) VALUES (?, ?, ?, ?)", name, hash, enabled, mobile)
        sql("INSERT INTO authorities (username, authority) VALUES (?, 'ROLE_USER')", name)
        return name

    def login(self, mobile, password):
        found = sql("SELECT password, enabled FROM users WHERE username = ?", "user-" + mobile)
        if not found or not found[0][1] or found[0][0] == "":
            return False
        return (Bcrypt(10).verify if self.bare else delegating_verify)(password, found[0][0])

    def session(self, mobile):
        """JdbcIndexedSessionRepository.save, and PersistentTokenBasedRememberMeServices.onLoginSuccess."""
        id, now = str(uuid.uuid4()), int(time.time() * 1000)
        sql("INSERT INTO SPRING_SESSION VALUES (?, ?, ?, ?, 1800, ?, ?)", id, id, now, now, now + 1_800_000, "user-" + mobile)
        sql("INSERT INTO SPRING_SESSION_ATTRIBUTES VALUES (?, 'SPRING_SECURITY_CONTEXT', '…')", id)
        sql("INSERT INTO persistent_logins VALUES (?, ?, 'token', '2026-01-01 00:00:00')", "user-" + mobile, id)
        return id

    def whose(self, session):
        """Whoever either of the two lets in."""
        names = sql("SELECT PRINCIPAL_NAME FROM SPRING_SESSION WHERE SESSION_ID = ?", session)
        names += sql("SELECT username FROM persistent_logins WHERE series = ?", session)
        return names[0][0] if names else ""


class Own:
    """An application with a table of its own, as docs/users.md has one, and sessions beside it."""

    schema = "custom.sql"

    def add(self, mobile, password, format):
        hash = "" if format == "none" else own_make("bcrypt" if format == "stopped" else format, password)
        id = str(uuid.uuid4())
        sql(
            "INSERT INTO member (uid, tel, pwd, state, nick, points, updated_at) VALUES (?, ?, ?, ?, '小 明', 7, '2026-01-02 03:04:05')",
            id, mobile, hash, 2 if format == "stopped" else 1,
        )
        return id

    def login(self, mobile, password):
        found = sql("SELECT pwd FROM member WHERE tel = ? AND state = 1 AND deleted_at IS NULL AND pwd <> ''", mobile)
        return bool(found) and own_verify(password, found[0][0])

    def session(self, mobile):
        token = str(uuid.uuid4())
        sql("INSERT INTO member_session SELECT ?, uid FROM member WHERE tel = ?", token, mobile)
        return token

    def whose(self, session):
        found = sql("SELECT uid FROM member_session WHERE token = ?", session)
        return found[0][0] if found else ""


sql = Connection()
kind = {"ruoyi": RuoYi, "gin-vue-admin": GinVueAdmin, "spring": Spring, "custom": Own}[os.environ["KIND"]]()


def setup(_):
    sql.script(os.path.join(HERE, kind.schema.format(engine=sql.engine)))
    return {}


def add(c):
    return {"id": str(kind.add(c["mobile"], c["password"].encode(), c["format"] if c["active"] else "stopped"))}


def login(c):
    accepted = kind.login(c["mobile"], c["password"].encode())
    return {"accepted": accepted, "session": kind.session(c["mobile"]) if accepted and hasattr(kind, "session") else ""}


def session(c):
    return {"user": kind.whose(c["session"])}


COMMANDS = {f.__name__: f for f in (setup, add, login, session)}

for line in sys.stdin:
    try:
        command = json.loads(line)
        answer = {"ok": True, **COMMANDS[command["do"]](command)}
    except Exception as e:
        traceback.print_exc()
        answer = {"ok": False, "error": f"{type(e).__name__}: {e}"}
    print(json.dumps(answer), flush=True)
