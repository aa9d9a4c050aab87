//! What declared types are called in descriptions of tables. Every engine has its own words for the same type, and several of them; a
//! description uses one, in capitals: the shortest that people write in SQL and that both engines take.

/// The word for a type, if it is a well-known one.
fn known(lower: &str) -> Option<&'static str> {
    Some(match lower {
        "int" | "int4" | "integer" => "INTEGER",
        "int8" | "bigint" => "BIGINT",
        "int2" | "smallint" => "SMALLINT",
        "bool" | "boolean" => "BOOLEAN",
        "text" => "TEXT",
        "varchar" | "character varying" => "VARCHAR",
        "char" | "character" | "bpchar" => "CHAR",
        "real" | "float4" => "REAL",
        "double" | "double precision" | "float8" => "DOUBLE PRECISION",
        "numeric" | "decimal" => "NUMERIC",
        "date" => "DATE",
        "time" | "time without time zone" => "TIME",
        "timestamp" | "timestamp without time zone" => "TIMESTAMP",
        "timestamptz" | "timestamp with time zone" => "TIMESTAMPTZ",
        "interval" => "INTERVAL",
        "uuid" => "UUID",
        "json" => "JSON",
        "jsonb" => "JSONB",
        "bytea" => "BYTEA",
        "blob" => "BLOB",
        _ => return None,
    })
}

/// A declared type as descriptions say it: `character varying(40)` is `VARCHAR(40)`. What is not well known stays as it is.
pub(super) fn canonical(declared: &str) -> String {
    let (name, rest) = declared.find(['(', '[']).map_or((declared, ""), |at| declared.split_at(at));
    match known(&name.trim().to_ascii_lowercase()) {
        Some(known) => format!("{known}{}", rest.replace(' ', "")),
        None => declared.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::canonical;

    #[test]
    fn one_type_has_one_name() {
        for (declared, expected) in [
            ("int", "INTEGER"),
            ("INT8", "BIGINT"),
            ("character varying(40)", "VARCHAR(40)"),
            ("Decimal (10, 2)", "NUMERIC(10,2)"),
            ("integer[]", "INTEGER[]"),
            ("timestamp with time zone", "TIMESTAMPTZ"),
            ("mood", "mood"),
            ("UNSIGNED BIG INT", "UNSIGNED BIG INT"),
            ("", ""),
        ] {
            assert_eq!(canonical(declared), expected, "{declared}");
        }
    }
}
