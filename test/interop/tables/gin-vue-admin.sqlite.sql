-- What gorm 1.31 makes of gin-vue-admin's SysUser (server/model/system/sys_user.go).
CREATE TABLE sys_users (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  created_at DATETIME,
  updated_at DATETIME,
  deleted_at DATETIME,
  uuid TEXT,
  username TEXT,
  password TEXT,
  nick_name TEXT DEFAULT '系统用户',
  header_img TEXT DEFAULT 'https://example.com/header.jpg',
  authority_id INTEGER DEFAULT 888,
  dept_id INTEGER,
  phone TEXT,
  email TEXT,
  enable INTEGER DEFAULT 1,
  origin_setting TEXT DEFAULT NULL,
  password_updated_at DATETIME,
  must_change_password NUMERIC DEFAULT FALSE
);
CREATE INDEX idx_sys_users_deleted_at ON sys_users (deleted_at);
CREATE INDEX idx_sys_users_uuid ON sys_users (uuid);
CREATE INDEX idx_sys_users_username ON sys_users (username);
