//! Whom the command's questions for names go to.

use std::path::Path;
use std::sync::Arc;

use portolan::Host;

use super::{link, local_names};
use crate::config::Config;
use crate::dns::resolv_conf::ResolvConf;
use crate::dns::{self, hosts::Hosts};
use crate::fence::Fence;
use crate::lookup::ResolverConfig;
use crate::plan::{Plan, Service};
use crate::wire;

/// The loopback servers of the host's resolv.conf, answered inside the command's host.
pub(super) fn serve_loopback_names(host: &Host, conf: &ResolvConf, plan: &Plan, fence: &Arc<Fence>) {
    let Some(server) = plan.addresses_of(Service::Dns).next() else { return };
    for local in conf.servers.iter().filter(|server| server.is_loopback()) {
        local_names::serve(host, (*local, dns::PORT).into(), (server, dns::PORT).into(), fence);
    }
}

/// Whom the command's look-ups ask: the gateway's server on a private wire; else the servers given or the host's,
/// over the link, and the tables that the gateway's server would have read.
pub(super) fn resolver_config(
    config: &Config,
    conf: ResolvConf,
    plan: Option<&Plan>,
    fence: Arc<Fence>,
    wire: Option<wire::Names>,
) -> ResolverConfig {
    let hostname = config.hostname.clone();
    let fence = Some(fence);
    match plan {
        Some(plan) => ResolverConfig {
            servers: plan
                .addresses_of(Service::Dns)
                .take(1)
                .map(|address| (address, dns::PORT).into())
                .collect(),
            conf,
            hosts: Hosts::default(),
            fence,
            wire,
            hostname,
            own: plan.addresses.clone(),
        },
        None => {
            let servers = link::name_servers(config, &conf);
            ResolverConfig {
                servers: servers.into_iter().map(|server| (server, dns::PORT).into()).collect(),
                hosts: Hosts::read(Path::new("/etc/hosts")),
                fence,
                wire,
                conf,
                hostname,
                own: config.addresses.clone(),
            }
        }
    }
}
