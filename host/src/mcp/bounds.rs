//! Refuses JSON that nests too deep or holds too many values, before anything recursive looks at it.

/// Which bound a text breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BoundsError {
    /// Objects and arrays nest deeper than allowed.
    #[error("the JSON nests deeper than {0} levels")]
    Depth(usize),
    /// More values than allowed.
    #[error("the JSON has more than {0} values")]
    Values(usize),
}

/// Counts nesting and values in one pass, without understanding more of JSON than strings and brackets. Text that is not JSON may pass:
/// the parser refuses it.
pub fn check(text: &[u8], depth_max: usize, values_max: usize) -> Result<(), BoundsError> {
    let (mut depth, mut values) = (0usize, 1usize);
    let mut bytes = text.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => skip_string(&mut bytes),
            b'{' | b'[' => {
                depth += 1;
                values += 1;
                if depth > depth_max {
                    return Err(BoundsError::Depth(depth_max));
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            b',' => values += 1,
            _ => {}
        }
        if values > values_max {
            return Err(BoundsError::Values(values_max));
        }
    }
    Ok(())
}

fn skip_string(bytes: &mut std::slice::Iter<'_, u8>) {
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => return,
            b'\\' => {
                bytes.next();
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_what_is_outside_of_strings() {
        let check = |text: &str| check(text.as_bytes(), 3, 6);
        for good in ["", "1", "[[[]]]", r#"{"a":"[[[[[[[{{{{"}"#, r#"{"a":"\"[[[[["}"#, "[1,2,3,4]"] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        assert_eq!(check("[[[[]]]]"), Err(BoundsError::Depth(3)));
        assert_eq!(check(r#"{"a":{"b":[{"#), Err(BoundsError::Depth(3)));
        assert_eq!(check("[1,2,3,4,5,6]"), Err(BoundsError::Values(6)));
    }

    #[test]
    fn deep_json_is_refused_without_recursion() {
        let text = "[".repeat(100_000);
        assert_eq!(check(text.as_bytes(), 64, 200_000), Err(BoundsError::Depth(64)));
    }
}
