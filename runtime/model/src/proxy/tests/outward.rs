//! Ways out of the machine: addresses, proxies, authorities.

use crate::{proxy::Settings, testing::*};
use foureyes_config::sections::model::{Model, Provider};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::{path::Path, sync::Arc};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
    sync::{Notify, mpsc},
};
use tokio_rustls::TlsAcceptor;

const NOWHERE: &str = "/nonexistent";

#[test]
fn the_address_is_the_configured_one_and_safe() {
    let host = |provider, base_url: Option<&str>, pairs: &[(&str, &str)]| {
        let base_url = base_url.map(str::to_owned);
        let model = Model { provider, base_url, ..Model::default() };
        Settings::new(&model, &env(pairs), Path::new(NOWHERE)).map(|s| s.host()).map_err(|e| e.to_string())
    };
    use Provider::{Anthropic, Bedrock, StandIn, Vertex};
    let gateway = [("ANTHROPIC_BASE_URL", "https://gw.example:8443/x")];
    let good = [
        (Anthropic, None, &[][..], "api.anthropic.com"),
        (Anthropic, None, &gateway, "gw.example:8443"),
        (Anthropic, Some("https://own.example"), &gateway, "own.example"),
        (Anthropic, Some("http://127.0.0.1:99"), &[], "127.0.0.1:99"),
        (Bedrock, None, &[("AWS_REGION", "eu-west-1")], "bedrock-runtime.eu-west-1.amazonaws.com"),
        (Bedrock, None, &[], "bedrock-runtime.us-east-1.amazonaws.com"),
        (Vertex, None, &[("CLOUD_ML_REGION", "europe-west1")], "europe-west1-aiplatform.googleapis.com"),
        (Vertex, None, &[], "aiplatform.googleapis.com"),
        (StandIn, Some("http://127.0.0.1:5"), &gateway, "127.0.0.1:5"),
    ];
    for (provider, base_url, pairs, expected) in good {
        assert_eq!(host(provider, base_url, pairs).as_deref(), Ok(expected));
    }
    let bad = [
        (Anthropic, Some("http://api.example.com")),
        (Anthropic, Some("http://localhost.example.com")),
        (Anthropic, Some("ftp://127.0.0.1")),
        (Anthropic, Some("https://u:p@api.example.com")),
        (Anthropic, Some("https://api.example.com/?x=y")),
        (Anthropic, Some("api.example.com")),
        (StandIn, Some("https://api.example.com")),
        (StandIn, None),
    ];
    for (provider, base_url) in bad {
        assert!(host(provider, base_url, &[]).is_err(), "{base_url:?}");
    }
    let region = host(Bedrock, None, &[("AWS_REGION", "x.evil.example/")]);
    assert!(region.is_err(), "{region:?}");
}

/// A server with a certificate for `api.example.test`, and the file of its authority.
async fn tls_server(dir: &Path) -> (u16, mpsc::UnboundedReceiver<String>) {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    std::fs::write(dir.join("authority.pem"), authority.pem()).unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec!["api.example.test".to_owned()])
        .unwrap()
        .signed_by(&key, &authority)
        .unwrap();
    let chain: Vec<CertificateDer<'static>> = vec![leaf.der().clone()];
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, PrivateKeyDer::try_from(key.serialize_der()).unwrap())
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(tls));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (tx, requests) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            if let Ok(stream) = acceptor.accept(stream).await {
                play(stream, vec![answer("200 OK", "", "{}")], tx.clone(), Arc::new(Notify::new())).await;
            }
        }
    });
    (port, requests)
}

/// A proxy that joins every CONNECT to `port`, and what it was asked.
async fn connect_proxy(port: u16) -> (u16, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let own = listener.local_addr().unwrap().port();
    let (tx, asked) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(client.read_u8().await.unwrap());
            }
            tx.send(String::from_utf8(head).unwrap()).unwrap();
            let mut server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
            tokio::spawn(async move { copy_bidirectional(&mut client, &mut server).await });
        }
    });
    (own, asked)
}

#[tokio::test]
async fn a_corporate_proxy_and_its_authority_are_used() {
    let dir = tempfile::tempdir().unwrap();
    let (port, mut requests) = tls_server(dir.path()).await;
    let (proxy, mut asked) = connect_proxy(port).await;
    let proxy = format!("http://me:word@127.0.0.1:{proxy}");
    let authority = dir.path().join("authority.pem").display().to_string();
    let config = config("https://api.example.test");
    let world = |pairs: &[(&str, &str)]| {
        let all = [&[("ANTHROPIC_API_KEY", CANARY)], pairs].concat();
        World::new(&config, &env(&all), Path::new(NOWHERE))
    };

    let good = world(&[("https_proxy", &proxy), ("NODE_EXTRA_CA_CERTS", &authority)]);
    assert_eq!(good.ask("{}").await.status, 200);
    let connect = asked.recv().await.unwrap();
    assert!(connect.starts_with("CONNECT api.example.test:443 HTTP/1.1\r\n"), "{connect}");
    assert!(
        connect.to_lowercase().contains("proxy-authorization: basic bwu6d29yza==")
            && !connect.contains(CANARY)
    );
    let request = requests.recv().await.unwrap();
    assert!(request.contains(&format!("x-api-key: {CANARY}")) && !request.contains("proxy-"), "{request}");

    let untrusted = world(&[("HTTPS_PROXY", &proxy)]);
    let got = untrusted.ask("{}").await;
    assert_eq!(got.status, 502);
    assert!(got.message().contains("certificate"), "{}", got.message());
    assert!(requests.try_recv().is_err());
    asked.recv().await.unwrap();

    let straight = world(&[("HTTPS_PROXY", &proxy), ("NO_PROXY", "other.example,.example.test")]);
    assert_eq!(straight.ask("{}").await.status, 502, "the name does not exist");
    assert!(asked.try_recv().is_err(), "NO_PROXY holds");
}

#[tokio::test]
async fn what_is_on_this_machine_is_reached_without_the_proxy() {
    let upstream = Upstream::start(vec![answer("200 OK", "", "{}")]).await;
    let pairs = [
        ("HTTP_PROXY", "http://127.0.0.1:1"),
        ("HTTPS_PROXY", "http://127.0.0.1:1"),
        ("ANTHROPIC_API_KEY", "k"),
    ];
    let world = World::new(&config(&upstream.url()), &env(&pairs), Path::new(NOWHERE));
    assert_eq!(world.ask("{}").await.status, 200);
}

#[test]
fn a_file_of_authorities_that_is_none_is_named() {
    let error =
        Settings::new(&Model::default(), &env(&[("SSL_CERT_FILE", "/nonexistent/ca.pem")]), Path::new("/"));
    let text = error.unwrap_err().to_string();
    assert!(text.starts_with("SSL_CERT_FILE names /nonexistent/ca.pem, which is no readable file"), "{text}");
}
