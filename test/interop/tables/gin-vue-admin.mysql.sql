-- What gorm 1.31 makes of gin-vue-admin's SysUser (server/model/system/sys_user.go), with strings of 191 characters
-- (server/initialize/gorm_mysql.go).
CREATE TABLE sys_users (
  id BIGINT UNSIGNED AUTO_INCREMENT,
  created_at DATETIME(3) NULL,
  updated_at DATETIME(3) NULL,
  deleted_at DATETIME(3) NULL,
  uuid VARCHAR(191),
  username VARCHAR(191),
  password VARCHAR(191),
  nick_name VARCHAR(191) DEFAULT '系统用户',
  header_img VARCHAR(191) DEFAULT 'https://example.com/header.jpg',
  authority_id BIGINT UNSIGNED DEFAULT 888,
  dept_id BIGINT UNSIGNED,
  phone VARCHAR(191),
  email VARCHAR(191),
  enable BIGINT DEFAULT 1,
  origin_setting TEXT DEFAULT NULL,
  password_updated_at DATETIME(3) NULL,
  must_change_password BOOLEAN DEFAULT FALSE,
  PRIMARY KEY (id),
  INDEX idx_sys_users_deleted_at (deleted_at),
  INDEX idx_sys_users_uuid (uuid),
  INDEX idx_sys_users_username (username)
) DEFAULT CHARSET=utf8mb4;
