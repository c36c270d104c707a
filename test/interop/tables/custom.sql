-- A table of an application's own, as docs/users.md configures one.
CREATE TABLE member (
  uid VARCHAR(36) NOT NULL PRIMARY KEY,
  tel VARCHAR(20) NOT NULL,
  pwd VARCHAR(255) NOT NULL,
  state INTEGER NOT NULL,
  deleted_at TIMESTAMP NULL,
  nick VARCHAR(50) NOT NULL,
  points INTEGER NOT NULL,
  updated_at TIMESTAMP NULL,
  password_changed_at TIMESTAMP NULL
);
CREATE INDEX member_tel ON member (tel);
CREATE TABLE member_session (
  token VARCHAR(36) NOT NULL PRIMARY KEY,
  uid VARCHAR(36) NOT NULL REFERENCES member (uid)
);
CREATE INDEX member_session_uid ON member_session (uid);
