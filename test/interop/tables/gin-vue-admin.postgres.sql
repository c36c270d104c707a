-- What gorm 1.31 makes of gin-vue-admin's SysUser (server/model/system/sys_user.go).
CREATE TABLE sys_users (
  id BIGSERIAL,
  created_at TIMESTAMPTZ,
  updated_at TIMESTAMPTZ,
  deleted_at TIMESTAMPTZ,
  uuid TEXT,
  username TEXT,
  password TEXT,
  nick_name TEXT DEFAULT '系统用户',
  header_img TEXT DEFAULT 'https://example.com/header.jpg',
  authority_id BIGINT DEFAULT 888,
  dept_id BIGINT,
  phone TEXT,
  email TEXT,
  enable BIGINT DEFAULT 1,
  origin_setting TEXT DEFAULT NULL,
  password_updated_at TIMESTAMPTZ,
  must_change_password BOOLEAN DEFAULT FALSE,
  PRIMARY KEY (id)
);
CREATE INDEX idx_sys_users_deleted_at ON sys_users (deleted_at);
CREATE INDEX idx_sys_users_uuid ON sys_users (uuid);
CREATE INDEX idx_sys_users_username ON sys_users (username);
