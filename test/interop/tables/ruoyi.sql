-- sys_user with the columns that RuoYi-Vue has given it since 3.9.0 (sql/ry_20250522.sql and later).
CREATE TABLE sys_user (
  user_id BIGINT(20) NOT NULL AUTO_INCREMENT,
  dept_id BIGINT(20) DEFAULT NULL,
  user_name VARCHAR(30) NOT NULL,
  nick_name VARCHAR(30) NOT NULL,
  user_type VARCHAR(2) DEFAULT '00',
  email VARCHAR(50) DEFAULT '',
  phonenumber VARCHAR(11) DEFAULT '',
  sex CHAR(1) DEFAULT '0',
  avatar VARCHAR(100) DEFAULT '',
  password VARCHAR(100) DEFAULT '',
  status CHAR(1) DEFAULT '0',
  del_flag CHAR(1) DEFAULT '0',
  login_ip VARCHAR(128) DEFAULT '',
  login_date DATETIME,
  pwd_update_date DATETIME,
  create_by VARCHAR(64) DEFAULT '',
  create_time DATETIME,
  update_by VARCHAR(64) DEFAULT '',
  update_time DATETIME,
  remark VARCHAR(500) DEFAULT NULL,
  PRIMARY KEY (user_id)
) ENGINE=InnoDB AUTO_INCREMENT=100 DEFAULT CHARSET=utf8mb4;
