//! An ACME server to test against (Pebble), with a name server beside it that sends every name here.

use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::Request;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

use crate::trust::{Scratch, connect, trusting};

/// What Pebble is told besides its ports.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Tells {
    /// It looks for texts at a port where nobody is.
    pub(crate) no_http: bool,
    /// It looks for certificates at a port where nobody is.
    pub(crate) no_tls: bool,
    /// Seconds that a certificate lasts.
    pub(crate) lifetime_s: Option<u32>,
}

/// A running Pebble. Gone when dropped.
pub(crate) struct Pebble {
    pub(crate) scratch: Scratch,
    /// Where the edge has to listen, without TLS and with it.
    pub(crate) ports: [u16; 2],
    /// Its own authority, for its own TLS.
    authority: String,
    listen: u16,
    management: u16,
    children: Vec<Child>,
}

/// A port that nobody has now. The kernel gives none of these to who asks for any, so it is still free when it is wanted.
pub(crate) fn free_port() -> u16 {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    loop {
        let port = fastrand::u16(12_000..32_000);
        let is_free = TcpListener::bind(("127.0.0.1", port)).is_ok() && UdpSocket::bind(("127.0.0.1", port)).is_ok();
        if is_free && GIVEN.lock().expect("what was given").insert(port) {
            return port;
        }
    }
}

impl Pebble {
    pub(crate) async fn start(name: &str, tells: Tells) -> Self {
        let scratch = Scratch::new(name);
        std::fs::create_dir_all(&scratch.0).expect("a folder");
        let mut pebble = Self {
            authority: certificates(&scratch),
            scratch,
            ports: [free_port(), free_port()],
            listen: free_port(),
            management: free_port(),
            children: Vec::new(),
        };
        pebble.run(tells).await;
        pebble
    }

    /// Starts it anew: it forgets what it knew.
    pub(crate) async fn run(&mut self, tells: Tells) {
        self.stop();
        let (names, unused) = (free_port(), free_port());
        let [http, tls] = self.ports;
        let mut config = serde_json::json!({
            "listenAddress": format!("127.0.0.1:{}", self.listen),
            "managementListenAddress": format!("127.0.0.1:{}", self.management),
            "certificate": self.path("server.pem"),
            "privateKey": self.path("server.key"),
            "httpPort": if tells.no_http { unused } else { http },
            "tlsPort": if tells.no_tls { unused } else { tls },
            "ocspResponderURL": "",
            "externalAccountBindingRequired": false,
        });
        if let Some(lifetime) = tells.lifetime_s {
            config["certificateValidityPeriod"] = lifetime.into();
        }
        std::fs::write(self.path("pebble.json"), serde_json::json!({ "pebble": config }).to_string()).expect("a file");
        let names = format!("127.0.0.1:{names}");
        let nowhere = ["-http01", "", "-https01", "", "-tlsalpn01", "", "-defaultIPv6", ""];
        let management = format!("127.0.0.1:{}", free_port());
        self.spawn(Command::new("pebble-challtestsrv").args(nowhere).args([
            "-dns01",
            &names,
            "-defaultIPv4",
            "127.0.0.1",
            "-management",
            &management,
        ]));
        let config = self.path("pebble.json");
        self.spawn(
            Command::new("pebble")
                .args(["-strict", "-dnsserver", &names, "-config"])
                .arg(config)
                .env("PEBBLE_VA_NOSLEEP", "1")
                .env("PEBBLE_AUTHZREUSE", "0")
                .env("PEBBLE_WFE_NONCEREJECT", "15"),
        );
        for _ in 0..1_000 {
            let ended = self.children.iter_mut().any(|child| child.try_wait().expect("a child").is_some());
            if ended || tokio::net::TcpStream::connect(("127.0.0.1", self.management)).await.is_ok() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let said = std::fs::read_to_string(self.path("said")).unwrap_or_default();
        let runs = self.children.iter_mut().all(|child| child.try_wait().expect("a child").is_none());
        assert!(runs, "pebble does not run: {said}");
    }

    fn spawn(&mut self, command: &mut Command) {
        let said = std::fs::OpenOptions::new().create(true).append(true).open(self.path("said")).expect("a file");
        let both = said.try_clone().expect("a file");
        let child = command.stdin(Stdio::null()).stdout(said).stderr(both).spawn();
        let missing = "pebble is needed for the tests of ACME: apt-get install pebble";
        self.children.push(child.unwrap_or_else(|error| panic!("{missing} ({error})")));
    }

    pub(crate) fn stop(&mut self) {
        for mut child in self.children.drain(..) {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    pub(crate) fn directory(&self) -> String {
        format!("https://127.0.0.1:{}/dir", self.listen)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.scratch.0.join(name)
    }

    /// The root of what it issues, in PEM form.
    pub(crate) async fn root(&self) -> String {
        let address = SocketAddr::from(([127, 0, 0, 1], self.management));
        let stream = connect(address, "127.0.0.1", trusting(&self.authority, &[])).await.expect("its own TLS");
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.expect("HTTP");
        tokio::spawn(connection);
        let request = Request::get("/roots/0").header("host", "127.0.0.1").body(Empty::<Bytes>::new());
        let response = sender.send_request(request.expect("a request")).await.expect("an answer");
        let body = response.into_body().collect().await.expect("a body").to_bytes();
        String::from_utf8(body.to_vec()).expect("text")
    }
}

impl Drop for Pebble {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A certificate for Pebble itself; the authority that signed it.
fn certificates(scratch: &Scratch) -> String {
    let mut params = CertificateParams::new(Vec::new()).expect("no names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key");
    let authority = params.self_signed(&key).expect("an authority");
    let issuer = Issuer::new(params, key);
    let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("a name");
    let key = KeyPair::generate().expect("a key");
    let server = params.signed_by(&key, &issuer).expect("a certificate");
    for (file, text) in
        [("root.pem", authority.pem()), ("server.pem", server.pem()), ("server.key", key.serialize_pem())]
    {
        std::fs::write(scratch.0.join(file), text).expect("it is written");
    }
    authority.pem()
}
