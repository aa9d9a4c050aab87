//! Descriptions of tables.

use super::*;
use crate::caps::sql::model::{TableInfo, TableKind};
use std::fmt::Write as _;

const SCRIPT: &str = "
    CREATE TABLE teams(
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL CONSTRAINT name_once UNIQUE, -- CHECK (this is a comment)
        region CHAR(2) DEFAULT 'EU' COLLATE NOCASE CHECK (region IN ('EU', 'US', ')'))
    );
    CREATE TABLE \"odd table\"(\"a \"\"b\"\"\" TEXT PRIMARY KEY, [select] INT NOT NULL) WITHOUT ROWID;
    CREATE TABLE members(
        team INT NOT NULL CONSTRAINT of_team REFERENCES teams ON DELETE CASCADE,
        number INT NOT NULL,
        email TEXT,
        first TEXT, last TEXT,
        full TEXT GENERATED ALWAYS AS (first || ' ' || last) VIRTUAL,
        score REAL DEFAULT (1.5 * 2),
        CONSTRAINT members_key PRIMARY KEY (team, number),
        CONSTRAINT sane CHECK (length(email) > 3 AND email LIKE '%@%' /* ) */),
        UNIQUE (first, last),
        CONSTRAINT odd FOREIGN KEY (email) REFERENCES \"odd table\"(\"a \"\"b\"\"\") ON UPDATE SET NULL ON DELETE RESTRICT
    );
    CREATE INDEX by_score ON members(score DESC, lower(email) COLLATE NOCASE) WHERE score > 0;
    CREATE UNIQUE INDEX by_email ON members(email);
    CREATE TABLE matches(
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        team INT, number INT,
        FOREIGN KEY (team, number) REFERENCES members(team, number) DEFERRABLE INITIALLY DEFERRED
    ) STRICT;
    CREATE VIEW best AS SELECT team, max(score) AS score FROM members GROUP BY team;
    CREATE VIEW broken AS SELECT * FROM nowhere;
    CREATE VIRTUAL TABLE notes USING fts5(title, body);";

const GOLDEN: &str = r#"
view best
  team INTEGER NULL?
  score NULL?
view broken
table matches
  id INTEGER NOT NULL key 1
  team INTEGER NULL?
  number INTEGER NULL?
  PrimaryKey id
  ForeignKey team, number
  team, number -> members(team, number) NO ACTION/NO ACTION
table members
  team INTEGER NOT NULL key 1
  number INTEGER NOT NULL key 2
  email TEXT NULL?
  first TEXT NULL?
  last TEXT NULL?
  full TEXT NULL? generated
  score REAL NULL? = 1.5 * 2
  unique index by_email on email
  partial index by_score on score, lower(email)
  PrimaryKey members_key: team, number
  Unique first, last
  Check sane: email when length(email) > 3 AND email LIKE '%@%'
  ForeignKey of_team: team
  ForeignKey odd: email
  team -> teams(id) CASCADE/NO ACTION
  email -> odd table(a "b") RESTRICT/SET NULL
table notes
  title NULL?
  body NULL?
table odd table
  a "b" TEXT NOT NULL key 1
  select INTEGER NOT NULL
  PrimaryKey a "b"
table teams
  id INTEGER NOT NULL key 1
  name TEXT NOT NULL
  region CHAR(2) NULL? = 'EU'
  PrimaryKey id
  Unique name_once: name
  Check region when region IN ('EU', 'US', ')')
"#;

#[tokio::test]
async fn schema_golden() {
    let fixture = Fixture::new(SCRIPT);
    for access in [Access::Read, Access::Write] {
        let database = fixture.open(access);
        let tables = database.schema(None, soon()).await.unwrap();
        assert_eq!(format!("\n{}", show(&tables)), GOLDEN);
        for table in &tables {
            let alone = database.schema(Some(table.name.to_uppercase()), soon()).await.unwrap();
            assert_eq!(alone, std::slice::from_ref(table));
        }
    }
}

#[tokio::test]
async fn schema_of_odd_things() {
    let fixture = Fixture::new(SCRIPT);
    let database = fixture.open(Access::Read);
    for name in ["nowhere", "sqlite_schema", "sqlite_sequence", "notes_data", "", "'; DROP TABLE teams", "teams\0"] {
        let error = database.schema(Some(name.to_owned()), soon()).await.unwrap_err();
        assert_begins(&error, "invalid: there is no such table", name);
    }
    let small = fixture.open_with(Access::Read, SqlLimits { result_bytes_max: 1_000, ..limits() });
    let error = small.schema(None, soon()).await.unwrap_err();
    assert_begins(&error, "too large: the description has more than 1000 bytes; ask for one table", "schema");
    assert!(small.schema(Some("teams".to_owned()), soon()).await.is_ok());
    let empty = Fixture::new("");
    assert!(empty.open(Access::Read).schema(None, soon()).await.unwrap().is_empty());
}

fn show(tables: &[TableInfo]) -> String {
    let mut text = String::new();
    for table in tables {
        let kind = if table.kind == TableKind::View { "view" } else { "table" };
        let _ = writeln!(text, "{kind} {}", table.name);
        for column in &table.columns {
            let mut words = vec![column.name.clone(), column.declared_type.clone()];
            words.push(if column.nullable { "NULL?" } else { "NOT NULL" }.to_owned());
            words.extend((column.primary_key > 0).then(|| format!("key {}", column.primary_key)));
            words.extend(column.generated.then(|| "generated".to_owned()));
            words.extend(column.default_value.as_ref().map(|value| format!("= {value}")));
            words.retain(|word| !word.is_empty());
            let _ = writeln!(text, "  {}", words.join(" "));
        }
        for index in &table.indexes {
            let unique = if index.unique { "unique " } else { "" };
            let partial = if index.partial { "partial " } else { "" };
            let _ = writeln!(text, "  {unique}{partial}index {} on {}", index.name, index.columns.join(", "));
        }
        for rule in &table.constraints {
            let name = rule.name.as_ref().map(|name| format!("{name}: ")).unwrap_or_default();
            let check = rule.definition.as_ref().map(|check| format!(" when {check}")).unwrap_or_default();
            let _ = writeln!(text, "  {:?} {name}{}{check}", rule.kind, rule.columns.join(", "));
        }
        for reference in &table.relationships {
            let (from, to) = (reference.columns.join(", "), reference.references_columns.join(", "));
            let (deleted, updated) = (&reference.on_delete, &reference.on_update);
            let _ = writeln!(text, "  {from} -> {}({to}) {deleted}/{updated}", reference.references_table);
        }
    }
    text
}
