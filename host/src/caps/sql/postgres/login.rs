//! What a login may do. A grant for reading is one by the database's own privileges: the host looks before it uses a login, and refuses one
//! that could write whatever the transaction says.

use crate::caps::sql::model::Access;
use tokio_postgres::Client;

/// Findings that are listed.
const LISTED_MAX: i64 = 5;

/// What no login may be.
const ATTRIBUTES: &str = "
    SELECT 'the role is a superuser' FROM pg_catalog.pg_roles WHERE rolname = current_user AND rolsuper
    UNION ALL SELECT 'the role may create roles (CREATEROLE)' FROM pg_catalog.pg_roles WHERE rolname = current_user AND rolcreaterole
    UNION ALL SELECT 'the role may copy the database (REPLICATION)' FROM pg_catalog.pg_roles WHERE rolname = current_user AND rolreplication
    UNION ALL SELECT 'the role is not bound by row security (BYPASSRLS)' FROM pg_catalog.pg_roles WHERE rolname = current_user AND rolbypassrls
    UNION ALL SELECT 'the role may create databases (CREATEDB)' FROM pg_catalog.pg_roles WHERE rolname = current_user AND rolcreatedb
    UNION ALL SELECT 'the role is a member of ' || r.rolname FROM pg_catalog.pg_roles r
      WHERE r.rolname <> current_user AND pg_catalog.pg_has_role(current_user, r.oid, 'MEMBER')
      AND (r.rolsuper OR r.rolname IN ('pg_read_server_files', 'pg_write_server_files', 'pg_execute_server_program'))
    UNION ALL SELECT 'the role may call ' || p.proname FROM pg_catalog.pg_proc p
      WHERE p.pronamespace = 'pg_catalog'::pg_catalog.regnamespace AND pg_catalog.has_function_privilege(p.oid, 'EXECUTE')
      AND p.proname IN ('pg_read_file', 'pg_read_binary_file', 'lo_import', 'lo_export')";

/// What a login for reading may not have beside. `MAINTAIN` came with version 17; large objects can be written in a read-only transaction
/// before version 16.
const WRITING: &str = "
    UNION ALL SELECT 'the role is a member of ' || r.rolname FROM pg_catalog.pg_auth_members m
      JOIN pg_catalog.pg_roles r ON r.oid = m.roleid JOIN pg_catalog.pg_roles o ON o.oid = m.member WHERE o.rolname = current_user
    UNION ALL SELECT 'the role may write to the table ' || c.oid::pg_catalog.regclass::text FROM pg_catalog.pg_class c
      WHERE CASE WHEN c.relkind IN ('r', 'p', 'v', 'm', 'f') THEN (
        pg_catalog.has_table_privilege(c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER{maintain}')
        OR pg_catalog.has_any_column_privilege(c.oid, 'INSERT, UPDATE, REFERENCES')) ELSE false END
      AND NOT (c.relnamespace = 'pg_catalog'::pg_catalog.regnamespace AND c.relname = 'pg_settings')
    UNION ALL SELECT 'the role may advance the sequence ' || c.oid::pg_catalog.regclass::text FROM pg_catalog.pg_class c
      WHERE CASE WHEN c.relkind = 'S' THEN pg_catalog.has_sequence_privilege(c.oid, 'USAGE, UPDATE') ELSE false END
    UNION ALL SELECT 'the role may create tables in the schema ' || n.nspname FROM pg_catalog.pg_namespace n
      WHERE pg_catalog.has_schema_privilege(n.oid, 'CREATE')
    UNION ALL SELECT 'the role may create schemas in the database'
      WHERE pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE')
    UNION ALL SELECT 'the role may create temporary tables in the database'
      WHERE pg_catalog.has_database_privilege(pg_catalog.current_database(), 'TEMP')
    UNION ALL SELECT 'the role may write large objects: ' || p.proname FROM pg_catalog.pg_proc p
      WHERE pg_catalog.current_setting('server_version_num')::int < 160000
      AND p.pronamespace = 'pg_catalog'::pg_catalog.regnamespace AND pg_catalog.has_function_privilege(p.oid, 'EXECUTE')
      AND p.proname IN ('lo_creat', 'lo_create', 'lo_from_bytea', 'lo_put', 'lowrite', 'lo_truncate', 'lo_truncate64', 'lo_unlink')";

/// What the login of this connection may do beyond its access; none when it is as it should be.
pub(super) async fn findings(client: &Client, access: Access) -> Result<Vec<String>, tokio_postgres::Error> {
    let version: i32 = client.query_one_scalar("SELECT pg_catalog.current_setting('server_version_num')::int4", &[]).await?;
    let maintain = if version >= 170_000 { ", MAINTAIN" } else { "" };
    let writing = if access == Access::Read { WRITING.replace("{maintain}", maintain) } else { String::new() };
    let sql = format!("SELECT DISTINCT finding FROM ({ATTRIBUTES} {writing}) AS f(finding) ORDER BY finding LIMIT {LISTED_MAX}");
    let rows = client.query(&sql, &[]).await?;
    rows.iter().map(|row| row.try_get(0)).collect()
}

/// The SQL that makes a login as it should be.
#[must_use]
pub(super) fn advice(access: Access, role: &str, database: &str) -> String {
    let (role, database) = (quoted(role), quoted(database));
    let begin = format!(
        "  CREATE ROLE {role} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS PASSWORD '...';\n\
         \x20 GRANT CONNECT ON DATABASE {database} TO {role};\n  GRANT USAGE ON SCHEMA public TO {role};\n"
    );
    let rest = match access {
        Access::Read => format!(
            "  GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role};\n\
             \x20 REVOKE TEMPORARY, CREATE ON DATABASE {database} FROM PUBLIC;\n  REVOKE CREATE ON SCHEMA public FROM PUBLIC;\n\
             \x20 -- before PostgreSQL 16, as a superuser:\n\
             \x20 REVOKE EXECUTE ON FUNCTION lo_creat(integer), lo_create(oid), lo_from_bytea(oid, bytea), lo_put(oid, bigint, bytea), \
             lowrite(integer, bytea), lo_truncate(integer, integer), lo_truncate64(integer, bigint), lo_unlink(oid) FROM PUBLIC;"
        ),
        Access::Write => format!(
            "  GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role};\n\
             \x20 GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {role};"
        ),
    };
    format!("{begin}{rest}")
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
