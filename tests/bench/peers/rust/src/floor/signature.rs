//! AWS's signature, version 4: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>.

use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sardonyx_bench_peers::{Failure, required};
use sha2::{Digest as _, Sha256};

const SECONDS_PER_DAY: u64 = 24 * 3600;

/// Signs requests to one service with the credentials of the environment.
pub(crate) struct Signer {
    access_key_id: String,
    secret_access_key: String,
    session_token: Option<String>,
    region: String,
    service: &'static str,
    /// The day since the Unix epoch for which `key` is, which is valid for that day.
    day: u64,
    key: [u8; 32],
}

/// What is signed: method and path, the headers in the order of their names, and the hash of the body.
pub(crate) struct ToSign<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) host: &'a str,
    /// `x-amz-content-sha256`, which only S3 wants.
    pub(crate) names_hash: bool,
    /// `x-amz-target`, which DynamoDB wants.
    pub(crate) target: Option<&'a str>,
    pub(crate) body: &'a [u8],
}

impl Signer {
    pub(crate) fn from_env(service: &'static str) -> Result<Self, Failure> {
        Ok(Self {
            access_key_id: required("AWS_ACCESS_KEY_ID")?,
            secret_access_key: required("AWS_SECRET_ACCESS_KEY")?,
            session_token: std::env::var("AWS_SESSION_TOKEN").ok(),
            region: required("AWS_REGION")?,
            service,
            day: 0,
            key: [0; 32],
        })
    }

    /// The head of the signed request without its end: the request line and the signed headers.
    pub(crate) fn sign(&mut self, to_sign: &ToSign<'_>) -> Result<String, Failure> {
        self.sign_at(to_sign, SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs())
    }

    fn sign_at(&mut self, to_sign: &ToSign<'_>, now: u64) -> Result<String, Failure> {
        let ToSign { method, path, host, .. } = to_sign;
        let time = timestamp(now)?;
        let date = &time[..8];
        self.renew_key(now / SECONDS_PER_DAY, date);
        let hash = hex(&Sha256::digest(to_sign.body));

        let (mut headers, mut names) = (format!("host:{host}\n"), String::from("host"));
        let mut add = |name: &str, value: &str| {
            let _ = writeln!(headers, "{name}:{value}");
            let _ = write!(names, ";{name}");
        };
        if to_sign.names_hash {
            add("x-amz-content-sha256", &hash);
        }
        add("x-amz-date", &time);
        if let Some(token) = &self.session_token {
            add("x-amz-security-token", token);
        }
        if let Some(target) = to_sign.target {
            add("x-amz-target", target);
        }

        let scope = format!("{date}/{}/{}/aws4_request", self.region, self.service);
        let canonical = hex(&Sha256::digest(format!(
            "{method}\n{path}\n\n{headers}\n{names}\n{hash}"
        )));
        let signed = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{canonical}");
        let signature = hex(&hmac(&self.key, signed.as_bytes()));
        let id = &self.access_key_id;
        Ok(format!(
            "{method} {path} HTTP/1.1\r\n{}authorization: AWS4-HMAC-SHA256 Credential={id}/{scope}, \
             SignedHeaders={names}, Signature={signature}\r\n",
            headers.replace('\n', "\r\n")
        ))
    }

    fn renew_key(&mut self, day: u64, date: &str) {
        if day == self.day {
            return;
        }
        let secret = format!("AWS4{}", self.secret_access_key);
        let parts = [date, &self.region, self.service, "aws4_request"];
        let first = hmac(secret.as_bytes(), parts[0].as_bytes());
        self.key = parts[1..].iter().fold(first, |key, part| hmac(&key, part.as_bytes()));
        self.day = day;
    }
}

fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut hmac = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length is taken");
    hmac.update(message);
    hmac.finalize().into_bytes().into()
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect()
}

/// As in `20260102T030405Z`.
fn timestamp(seconds: u64) -> Result<String, Failure> {
    // Howard Hinnant's civil_from_days, for days after 1970: https://howardhinnant.github.io/date_algorithms.html
    let (days, second) = (seconds / SECONDS_PER_DAY + 719_468, seconds % SECONDS_PER_DAY);
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + 400 * era + u64::from(month <= 2);
    let (hour, minute) = (second / 3600, second / 60 % 60);
    let mut text = String::with_capacity(16);
    write!(
        text,
        "{year:04}{month:02}{day:02}T{hour:02}{minute:02}{:02}Z",
        second % 60
    )?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_become_dates() {
        for (seconds, expected) in [
            (0, "19700101T000000Z"),
            (951_782_399, "20000228T235959Z"),
            (951_782_400, "20000229T000000Z"),
            (1_369_353_600, "20130524T000000Z"),
            (1_767_323_045, "20260102T030405Z"),
            (1_772_323_200, "20260301T000000Z"),
        ] {
            assert_eq!(timestamp(seconds).expect("is a time"), expected);
        }
    }

    /// The credentials and the object are those of the examples in S3's documentation; the signature is what botocore gives for them.
    #[test]
    fn a_request_is_signed_as_the_sdk_signs_it() {
        let mut signer = Signer {
            access_key_id: "AKIAIOSFODNN7EXAMPLE".into(),
            secret_access_key: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".into(),
            session_token: None,
            region: "us-east-1".into(),
            service: "s3",
            day: 0,
            key: [0; 32],
        };
        let to_sign = ToSign {
            method: "GET",
            path: "/test.txt",
            host: "examplebucket.s3.amazonaws.com",
            names_hash: true,
            target: None,
            body: b"",
        };
        let head = signer.sign_at(&to_sign, 1_369_353_600).expect("is signed");
        assert!(
            head.contains("Signature=df548e2ce037944d03f3e68682813b093763996d597cf890ca3d9037fd231eb4\r\n"),
            "{head}"
        );
    }
}
