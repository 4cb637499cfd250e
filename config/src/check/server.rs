//! `server:` and the variables that override it.

use std::net::SocketAddr;

use crate::reader::Value;
use crate::settings::Server;

/// What an address looks like, for complaints.
const ADDRESS: &str = "an IP address and a port such as 127.0.0.1:8080";
const MEBIBYTE: usize = 1024 * 1024;

/// Reads the section if it is there, then the variables.
pub(super) fn server(section: Option<&Value<'_>>, root: &Value<'_>) -> Server {
    let written = section.and_then(written);
    let mut server = written.unwrap_or_default();
    override_address(root, "ISTHMUS_LISTEN", &mut server.listen);
    override_address(root, "ISTHMUS_ADMIN_LISTEN", &mut server.admin_listen);
    if let Some(token) = root.secret_variable("ISTHMUS_ADMIN_TOKEN") {
        server.admin_token = Some(token);
    }
    check_doors(&server, section.unwrap_or(root));
    server
}

fn written(section: &Value<'_>) -> Option<Server> {
    let mut server = Server::default();
    section.fields(|fields| {
        fields.set("listen", &mut server.listen, |value| value.parsed(ADDRESS));
        fields.set("admin_listen", &mut server.admin_listen, |value| value.parsed(ADDRESS));
        fields.set("allow_anonymous", &mut server.allow_anonymous, Value::boolean);
        server.admin_token = fields.optional("admin_token", Value::secret);
        fields.set("max_body_mb", &mut server.max_body_bytes, |value| {
            value.integer(1..=1024).map(|mebibytes: usize| mebibytes * MEBIBYTE)
        });
        fields.set("max_connections", &mut server.max_connections, |value| {
            value.integer(1..=1_000_000)
        });
        fields.set("header_timeout", &mut server.header_timeout, Value::time_limit);
        fields.set("body_timeout", &mut server.body_timeout, Value::time_limit);
        fields.set("request_timeout", &mut server.request_timeout, Value::time_limit);
        fields.set("drain_timeout", &mut server.drain_timeout, Value::duration);
        Some(server)
    })
}

fn override_address(root: &Value<'_>, variable: &str, address: &mut SocketAddr) {
    let Some(text) = root.variable(variable) else { return };
    match text.parse() {
        Ok(parsed) => *address = parsed,
        Err(_) => {
            root.refuse_variable(variable, format!("expected {ADDRESS}"));
        }
    }
}

/// What only the two doors together can get wrong.
fn check_doors(server: &Server, section: &Value<'_>) {
    if server.listen == server.admin_listen && server.listen.port() != 0 {
        section.refuse_field::<()>(format!(
            "`listen` and `admin_listen` are both {}; give them different ports",
            server.listen
        ));
    }
    if server.admin_token.is_none() && !server.admin_listen.ip().is_loopback() {
        section.refuse_field::<()>(format!(
            "others than this machine can reach the admin API at {}; set `server.admin_token` or \
             ISTHMUS_ADMIN_TOKEN, or listen on 127.0.0.1",
            server.admin_listen
        ));
    }
}
