//! The names of types, as descriptions and messages say them.

use crate::caps::sql::declared::canonical;
use tokio_postgres::types::{Kind, Type};

/// What a type is called.
pub(super) fn name_of(kind: &Type) -> String {
    match kind.kind() {
        Kind::Array(element) => format!("{}[]", name_of(element)),
        _ => canonical(kind.name()),
    }
}
