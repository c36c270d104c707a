"""A connection to the database that the environment names, with one style of placeholders."""

import os


class Connection:
    """Each statement is a transaction of its own; what it returns is a list of tuples."""

    def __init__(self):
        env = os.environ
        self.engine = env["DB_ENGINE"]
        server = lambda: {"host": env["DB_HOST"], "port": int(env["DB_PORT"]), "user": env["DB_USER"]}
        if self.engine == "sqlite":
            import sqlite3

            self.db = sqlite3.connect(env["DB_NAME"], timeout=30, isolation_level=None)
            self.db.execute("PRAGMA foreign_keys = ON")
        elif self.engine == "postgres":
            import psycopg2

            self.db = psycopg2.connect(**server(), password=env["DB_PASSWORD"], dbname=env["DB_NAME"])
            self.db.autocommit = True
        else:
            import MySQLdb

            self.db = MySQLdb.connect(**server(), passwd=env["DB_PASSWORD"], db=env["DB_NAME"], charset="utf8mb4", autocommit=True)

    def __call__(self, statement, *values):
        """Runs a statement, whose values are marked with ?."""
        cursor = self.db.cursor()
        try:
            if self.engine == "sqlite":
                cursor.execute(statement, values)
            else:
                cursor.execute(statement.replace("?", "%s"), values)
            return cursor.fetchall() if cursor.description else []
        finally:
            cursor.close()

    def script(self, path):
        with open(path, encoding="utf-8") as file:
            text = "".join(line.partition("--")[0] + "\n" for line in file)
        for statement in filter(str.strip, text.split(";")):
            self(statement)
