//! Answers that are worth it are compressed, as the client wishes (RFC 9110, 12.5.3). Event streams never are: what waits in a compressor
//! is not with the client.

use super::super::body::Reply;
use crate::limits::Limits;
use bytes::Bytes;
use http::{HeaderValue, Response, header};
use std::io::Write as _;
use tokio::sync::Semaphore;

/// How hard each coding tries: some 50 MB/s and more, and most of what there is to gain.
const ZSTD_LEVEL: i32 = 3;
const BROTLI_LEVEL: i32 = 4;
const GZIP_LEVEL: u32 = 5;
/// The window of brotli, as a power of two: as far back as the others look.
const BROTLI_WINDOW: i32 = 20;
/// Codings that one header may list; nobody has more.
const CODINGS_MAX: usize = 16;

/// How an answer is coded. The order is ours, where the client has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Coding {
    Zstd,
    Brotli,
    Gzip,
}

impl Coding {
    const ALL: [Self; 3] = [Self::Zstd, Self::Brotli, Self::Gzip];

    fn name(self) -> &'static str {
        match self {
            Self::Zstd => "zstd",
            Self::Brotli => "br",
            Self::Gzip => "gzip",
        }
    }

    fn is(self, name: &str) -> bool {
        name.eq_ignore_ascii_case(self.name()) || (self == Self::Gzip && name.eq_ignore_ascii_case("x-gzip"))
    }

    fn encode(self, bytes: &[u8]) -> std::io::Result<Vec<u8>> {
        match self {
            Self::Zstd => zstd::bulk::compress(bytes, ZSTD_LEVEL),
            Self::Brotli => {
                let parameters = brotli::enc::BrotliEncoderParams {
                    quality: BROTLI_LEVEL,
                    lgwin: BROTLI_WINDOW,
                    size_hint: bytes.len(),
                    ..Default::default()
                };
                let mut out = Vec::with_capacity(bytes.len() / 4);
                brotli::BrotliCompress(&mut &*bytes, &mut out, &parameters)?;
                Ok(out)
            }
            Self::Gzip => {
                let out = Vec::with_capacity(bytes.len() / 4);
                let mut encoder = flate2::write::GzEncoder::new(out, flate2::Compression::new(GZIP_LEVEL));
                encoder.write_all(bytes)?;
                encoder.finish()
            }
        }
    }
}

/// What a client takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::server) struct Wanted {
    coding: Option<Coding>,
    /// Whether an answer may also go out as it is.
    identity: bool,
}

impl Wanted {
    /// Reads `Accept-Encoding`; without one, answers go out as they are.
    pub(in crate::server) fn of(accept: Option<&HeaderValue>) -> Self {
        let Some(accept) = accept else { return Self { coding: None, identity: true } };
        let (mut own, mut identity, mut any) = ([None; Coding::ALL.len()], None, None);
        for item in accept.to_str().unwrap_or_default().split(',').take(CODINGS_MAX) {
            let (name, quality) = item.split_once(';').unwrap_or((item, "q=1"));
            // What is malformed is as if it were not there.
            let (name, Some(quality)) = (name.trim(), quality_of(quality)) else { continue };
            if name == "*" {
                any = Some(quality);
            } else if name.eq_ignore_ascii_case("identity") {
                identity = Some(quality);
            } else if let Some((_, known)) = Coding::ALL.iter().zip(&mut own).find(|(coding, _)| coding.is(name)) {
                *known = Some(quality);
            }
        }
        let mut best: Option<(u16, Coding)> = None;
        for (coding, quality) in Coding::ALL.into_iter().zip(own) {
            let quality = quality.or(any).unwrap_or(0);
            if quality > best.map_or(0, |(quality, _)| quality) {
                best = Some((quality, coding));
            }
        }
        let is_better = |(quality, _): &(u16, Coding)| identity.is_none_or(|identity| *quality >= identity);
        // Unless it is refused, identity is always good enough.
        Self { coding: best.filter(is_better).map(|(_, coding)| coding), identity: identity.or(any).unwrap_or(1) > 0 }
    }

    /// Whether there is no way to answer.
    pub(in crate::server) fn is_nothing(self) -> bool {
        self.coding.is_none() && !self.identity
    }
}

/// A quality in thousandths: `q=0` to `q=1` with up to three digits.
fn quality_of(parameter: &str) -> Option<u16> {
    let (name, value) = parameter.trim().split_once('=')?;
    let (whole, rest) = value.split_once('.').unwrap_or((value, ""));
    let good = name.eq_ignore_ascii_case("q") && rest.len() <= 3 && rest.bytes().all(|byte| byte.is_ascii_digit());
    let thousandths: u16 = format!("{rest:0<3}").parse().ok().filter(|_| good)?;
    match whole {
        "0" => Some(thousandths),
        "1" if thousandths == 0 => Some(1_000),
        _ => None,
    }
}

/// Large answers that are compressed at the same time, on threads that others need too.
static TURNS: Semaphore = Semaphore::const_new(8);

/// The same answer, compressed if it is whole, worth it, and the client takes it.
pub(in crate::server) async fn compressed(mut response: Response<Reply>, wanted: Wanted, limits: &Limits) -> Response<Reply> {
    let Some(size) = response.body().whole().map(Bytes::len) else { return response };
    let is_worth_it = size >= limits.compress_bytes_min;
    if (!is_worth_it && wanted.identity) || response.headers().contains_key(header::CONTENT_ENCODING) {
        return response;
    }
    response.headers_mut().append(header::VARY, HeaderValue::from_static("accept-encoding"));
    let (Some(coding), Some(body)) = (wanted.coding, response.body().whole().cloned()) else { return response };
    let encoded = if size <= limits.compress_inline_bytes_max {
        coding.encode(&body).ok()
    } else {
        // When others have all the turns it goes out as it is, where that will do.
        let turn = match TURNS.try_acquire() {
            Ok(turn) => Some(turn),
            Err(_) if wanted.identity => return response,
            Err(_) => TURNS.acquire().await.ok(),
        };
        let encode = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            coding.encode(&body).ok()
        });
        encode.await.ok().flatten()
    };
    // Into memory it does not fail; and what got larger is better as it is.
    let Some(encoded) = encoded.filter(|encoded| encoded.len() < size || !wanted.identity) else { return response };
    response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding.name()));
    response.map(|reply| reply.with_whole(encoded))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;

    #[test]
    fn what_a_client_takes() {
        for (accept, expected) in [
            ("", "identity"),
            ("gzip", "gzip or identity"),
            ("x-gzip", "gzip or identity"),
            ("GZIP", "gzip or identity"),
            ("br", "br or identity"),
            ("zstd", "zstd or identity"),
            ("gzip, deflate, br, zstd", "zstd or identity"),
            ("gzip, deflate, br", "br or identity"),
            ("gzip;q=1.0, br;q=0.5", "gzip or identity"),
            ("gzip;q=0.5, br;q=0.501", "br or identity"),
            ("gzip ; q=0.2 , br ; Q=0.1", "gzip or identity"),
            ("*", "zstd or identity"),
            ("*;q=0.5, zstd;q=0.4, br;q=0", "gzip or identity"),
            ("zstd;q=0, *", "br or identity"),
            ("*;q=0", "nothing"),
            ("*;q=0, gzip", "gzip"),
            ("*;q=0, identity", "identity"),
            ("identity;q=0", "nothing"),
            ("identity;q=0, gzip;q=0.001", "gzip"),
            ("identity;q=0, *", "zstd"),
            ("identity;q=0, compress", "nothing"),
            ("identity, gzip;q=0.5", "identity"),
            ("identity;q=0.5, gzip;q=0.5", "gzip or identity"),
            ("identity;q=0.5, gzip;q=0", "identity"),
            ("gzip;q=0", "identity"),
            ("gzip;q=2", "identity"),
            ("gzip;q=1.5", "identity"),
            ("gzip;q=0.1234", "identity"),
            ("gzip;q=-1", "identity"),
            ("gzip;q=", "identity"),
            ("gzip;level=9", "identity"),
            ("gzip;q=0.5;q=1", "identity"),
            ("compress, deflate, dcb", "identity"),
            (",,gzip,,", "gzip or identity"),
        ] {
            let wanted = Wanted::of(Some(&HeaderValue::from_static(accept)));
            let ways = wanted.coding.map(Coding::name).into_iter().chain(wanted.identity.then_some("identity")).collect::<Vec<_>>();
            let shown = if wanted.is_nothing() { "nothing".to_owned() } else { ways.join(" or ") };
            assert_eq!(shown, expected, "{accept:?}");
        }
        assert_eq!(Wanted::of(None), Wanted { coding: None, identity: true });
    }

    fn decoded(coding: &str, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        match coding {
            "gzip" => drop(flate2::read::GzDecoder::new(bytes).read_to_end(&mut out).unwrap()),
            "br" => brotli::BrotliDecompress(&mut &*bytes, &mut out).unwrap(),
            "zstd" => out = zstd::decode_all(bytes).unwrap(),
            _ => out.extend_from_slice(bytes),
        }
        out
    }

    async fn answer(accept: &'static str, size: usize) -> (String, Vec<u8>, bool) {
        let limits = Limits::default();
        let response = super::super::super::respond::json(b"abc ".iter().copied().cycle().take(size).collect::<Vec<_>>());
        let response = compressed(response, Wanted::of(Some(&HeaderValue::from_static(accept))), &limits).await;
        let coding = response.headers().get(header::CONTENT_ENCODING).map_or("", |value| value.to_str().unwrap()).to_owned();
        let varies = response.headers().contains_key(header::VARY);
        let body = response.into_body().into_content().unwrap_or_else(|_| panic!("events"));
        (coding, body.to_vec(), varies)
    }

    #[tokio::test]
    async fn answers_come_back_as_they_were() {
        for coding in ["gzip", "br", "zstd"] {
            // On this thread, and on another one.
            for size in [1_024, 60_000, 300_000] {
                let (given, body, varies) = answer(coding, size).await;
                assert_eq!((&*given, varies), (coding, true));
                assert!(body.len() < size / 4, "{coding} {size}: {}", body.len());
                let whole = decoded(coding, &body);
                assert!(whole.len() == size && whole.starts_with(b"abc abc "), "{coding} {size}");
            }
        }
    }

    #[tokio::test]
    async fn what_is_small_goes_out_as_it_is() {
        assert_eq!(answer("gzip", 1_023).await, (String::new(), b"abc ".iter().copied().cycle().take(1_023).collect(), false));
        let (coding, body, varies) = answer("gzip, identity;q=0", 8).await;
        assert_eq!((&*coding, decoded("gzip", &body).as_slice(), varies), ("gzip", b"abc abc ".as_slice(), true));
    }

    #[tokio::test]
    async fn nothing_is_compressed_twice() {
        let mut response = super::super::super::respond::json(vec![b'a'; 10_000]);
        response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("br"));
        let response = compressed(response, Wanted::of(Some(&HeaderValue::from_static("gzip"))), &Limits::default()).await;
        assert_eq!(response.headers()[header::CONTENT_ENCODING], "br");
        assert_eq!(response.into_body().into_content().map(|body| body.len()).ok(), Some(10_000));
    }
}
