use super::*;
use std::collections::HashMap;

/// A look-up in variables and files that are given as pairs.
fn find(profile: Option<&str>, variables: &[(&str, &str)], files: &[(&str, &str)]) -> Result<Found, String> {
    let variables: HashMap<&str, &str> = variables.iter().copied().collect();
    let files: HashMap<&str, &str> = files.iter().copied().collect();
    let variable = |name: &str| variables.get(name).map(|text| (*text).to_owned());
    let read = |path: &Path| {
        let text = files.get(path.to_str().unwrap()).copied();
        text.map(str::to_owned).ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    };
    Lookup { profile, variable: &variable, read: &read }.find()
}

const KEYS: (&str, &str) = (
    "/h/.aws/credentials",
    "[default]\naws_access_key_id=AKD\naws_secret_access_key=sd\n[p]\naws_access_key_id=AKP\naws_secret_access_key=sp\naws_session_token=tp\n[half]\naws_access_key_id=AKH\n",
);
const CONFIG: (&str, &str) = (
    "/h/.aws/config",
    "[profile p]\nregion=eu-1\n[profile inline]\naws_access_key_id=AKI\naws_secret_access_key=si\n[profile role]\nrole_arn=arn\n",
);
const ENV: [(&str, &str); 4] = [
    ("HOME", "/h"),
    ("AWS_ACCESS_KEY_ID", "AKE"),
    ("AWS_SECRET_ACCESS_KEY", "se"),
    ("AWS_SESSION_TOKEN", "te"),
];

fn told(found: &Found) -> (&str, &str, Option<&str>, Option<&str>) {
    let keys = found.credentials.keys();
    (&keys.access_key_id, &keys.secret_access_key, keys.session_token.as_deref(), found.region.as_deref())
}

#[test]
fn the_order_of_the_places() {
    let files = [KEYS, CONFIG];
    let of_env = find(None, &ENV, &files).unwrap();
    assert_eq!(told(&of_env), ("AKE", "se", Some("te"), None));
    let of_flag = find(Some("p"), &ENV, &files).unwrap();
    assert_eq!(told(&of_flag), ("AKP", "sp", Some("tp"), Some("eu-1")));
    let of_default = find(None, &ENV[..2], &files).unwrap();
    assert_eq!(told(&of_default), ("AKD", "sd", None, None));
    let named = [("HOME", "/h"), ("AWS_PROFILE", "p"), ("AWS_REGION", "us-9")];
    assert_eq!(told(&find(None, &named, &files).unwrap()), ("AKP", "sp", Some("tp"), Some("us-9")));
    let inline = find(Some("inline"), &ENV, &files).unwrap();
    assert_eq!(told(&inline), ("AKI", "si", None, None));
}

#[test]
fn the_files_may_lie_elsewhere() {
    let variables = [("AWS_SHARED_CREDENTIALS_FILE", "/x/keys"), ("AWS_CONFIG_FILE", "/x/conf")];
    let files = [("/x/keys", KEYS.1), ("/x/conf", "[default]\nregion = r\n")];
    assert_eq!(told(&find(None, &variables, &files).unwrap()), ("AKD", "sd", None, Some("r")));
}

#[test]
fn failures_say_where_was_looked() {
    let table = [
        (None, &ENV[..1], "\"default\" is neither in /h/.aws/credentials nor in /h/.aws/config"),
        (Some("half"), &ENV[..], "\"half\" has no aws_access_key_id with its"),
        (Some("role"), &ENV[..], "by role_arn"),
    ];
    for (profile, variables, want) in table {
        let files: &[_] = if profile.is_some() { &[KEYS, CONFIG] } else { &[] };
        let error = find(profile, variables, files).unwrap_err();
        assert!(error.contains(want), "{error}");
    }
    let odd = [("AWS_ACCESS_KEY_ID", "a b"), ("AWS_SECRET_ACCESS_KEY", "s")];
    assert!(find(None, &odd, &[]).unwrap_err().contains("the access key id"));
    let unreadable = |_: &Path| Err(io::Error::from(io::ErrorKind::PermissionDenied));
    let lookup = Lookup { profile: None, variable: &|_| None, read: &unreadable };
    assert!(lookup.find().unwrap_err().contains("credentials: permission denied"));
}

#[test]
fn keys_are_never_shown() {
    let found = find(Some("p"), &ENV, &[KEYS, CONFIG]).unwrap();
    let shown = [
        format!("{found:?}"),
        format!("{}", found.credentials),
        serde_json::to_string(&*found.credentials).unwrap(),
    ];
    for text in shown {
        assert!(text.contains("redacted") && text.contains("profile"), "{text}");
        assert!(!["AKP", "\"sp", "sp\"", "tp\""].iter().any(|key| text.contains(key)), "{text}");
    }
}
