//! The options of the level IPPROTO_TCP.

use alloc::vec::Vec;

use portolan_link::Instant;
use portolan_tcp::{FinWait2, OptionFlags, SocketOptions};

use super::number::{IPPROTO_TCP, tcp};
use super::{CONGESTION_NAME_MAX, int, int_at, narrow, text, to_int};
use crate::fast_open::FastOpenKeys;
use crate::socket::Kind;
use crate::stack::Stack;
use crate::{SocketError, SocketId, SocketOption};

/// Linux's TCP_FIN_TIMEOUT_MAX, in seconds.
const FIN_WAIT2_SECONDS_MAX: i32 = 120;

impl Stack {
    pub(super) fn set_at_tcp_level(
        &mut self,
        now: Instant,
        id: SocketId,
        name: i32,
        value: &[u8],
    ) -> Result<(), SocketError> {
        match name {
            tcp::CONGESTION if value.is_empty() => return Err(SocketError::InvalidArgument),
            tcp::CONGESTION => {
                let name = text(value.get(..CONGESTION_NAME_MAX - 1).unwrap_or(value));
                return self.set_congestion(now, id, name);
            }
            tcp::MD5SIG | tcp::MD5SIG_EXT => return self.set_md5_signature(now, id, name, value),
            tcp::AO_ADD_KEY | tcp::AO_DEL_KEY | tcp::AO_INFO => {
                return self.set_authentication(now, id, name, value);
            }
            tcp::FASTOPEN_KEY => {
                let keys = FastOpenKeys::read(value).ok_or(SocketError::InvalidArgument)?;
                return self.set_option(now, id, SocketOption::FastOpenKey(keys));
            }
            _ => {}
        }
        let number = int_at(value, 0)?;
        let on = number != 0;
        let option = match name {
            tcp::NODELAY => SocketOption::NoDelay(on),
            tcp::CORK => SocketOption::Cork(on),
            tcp::MAXSEG => SocketOption::MaxSegment(narrow(number)?),
            tcp::KEEPIDLE => SocketOption::KeepIdle(narrow(number)?),
            tcp::KEEPINTVL => SocketOption::KeepInterval(narrow(number)?),
            tcp::KEEPCNT => SocketOption::KeepCount(narrow(number)?),
            tcp::SYNCNT => SocketOption::SynRetries(narrow(number)?),
            tcp::USER_TIMEOUT => SocketOption::UserTimeout(narrow(number)?),
            tcp::NOTSENT_LOWAT => SocketOption::NotsentLowWater(number.cast_unsigned()),
            tcp::WINDOW_CLAMP => SocketOption::WindowClamp(number.cast_unsigned()),
            tcp::LINGER2 => SocketOption::FinWait2(match number {
                ..0 => FinWait2::Never,
                0 => FinWait2::Usual,
                seconds => FinWait2::Seconds(narrow(seconds.min(FIN_WAIT2_SECONDS_MAX))?),
            }),
            tcp::QUICKACK => return self.set_quick_ack(id, number & 1 != 0),
            tcp::DEFER_ACCEPT => SocketOption::DeferAccept(syn_acks_in(number)),
            tcp::FASTOPEN => SocketOption::FastOpen(narrow(number)?),
            tcp::FASTOPEN_CONNECT if matches!(number, 0 | 1) => SocketOption::FastOpenConnect(on),
            tcp::FASTOPEN_NO_COOKIE if matches!(number, 0 | 1) => SocketOption::FastOpenNoCookie(on),
            tcp::FASTOPEN_CONNECT | tcp::FASTOPEN_NO_COOKIE => return Err(SocketError::InvalidArgument),
            _ => return self.remember(id, IPPROTO_TCP, name, number),
        };
        self.set_option(now, id, option)
    }

    /// TCP_QUICKACK, which means nothing before there is a connection.
    fn set_quick_ack(&mut self, id: SocketId, on: bool) -> Result<(), SocketError> {
        let Kind::Connection(index) = self.socket(id)?.kind else { return Ok(()) };
        let signals = self.with_tcb(index, |tcb, cx| tcb.set_quick_ack(cx, on));
        self.settle(index, signals.unwrap_or_default());
        Ok(())
    }

    pub(super) fn get_at_tcp_level(&mut self, id: SocketId, name: i32) -> Result<Vec<u8>, SocketError> {
        let socket = self.socket(id)?;
        let SocketOptions { common, seldom } = self.present_tcp_options(id)?;
        let keepalive = seldom.keepalive.or(self.engine.config.tcp.keepalive);
        let config = &self.engine.config.tcp;
        Ok(int(match name {
            tcp::NODELAY => i32::from(common.has(OptionFlags::NODELAY)),
            tcp::CORK => i32::from(common.has(OptionFlags::CORK)),
            tcp::MAXSEG => self.present_mss(id, common.mss_clamp)?,
            tcp::KEEPIDLE => keepalive.time_s.into(),
            tcp::KEEPINTVL => keepalive.interval_s.into(),
            tcp::KEEPCNT => keepalive.probes.into(),
            tcp::SYNCNT if seldom.syn_retries == 0 => config.syn_retries.into(),
            tcp::SYNCNT => seldom.syn_retries.into(),
            tcp::USER_TIMEOUT => to_int(common.user_timeout_ms),
            tcp::NOTSENT_LOWAT => seldom.notsent_low_water.cast_signed(),
            tcp::WINDOW_CLAMP => to_int(seldom.window_clamp),
            tcp::LINGER2 => match seldom.fin_wait2 {
                FinWait2::Never => -1,
                FinWait2::Usual => to_int(config.fin_wait2_us / 1_000_000),
                FinWait2::Seconds(seconds) => seconds.into(),
            },
            tcp::QUICKACK => match socket.kind {
                Kind::Connection(index) => {
                    i32::from(self.with_tcb(index, |tcb, _| tcb.quick_ack()).unwrap_or(true))
                }
                _ => 1,
            },
            tcp::CONGESTION => return self.congestion_name(id),
            tcp::CC_INFO => return self.cc_info(id),
            tcp::AO_INFO => return self.authentication_info(id),
            tcp::AO_GET_KEYS => return self.authentication_keys(id),
            tcp::INFO => return self.tcp_info(id),
            tcp::DEFER_ACCEPT => seconds_of(self.opening_of(id.index).defer_accept),
            tcp::FASTOPEN => to_int(self.opening_of(id.index).fast_open_backlog),
            tcp::FASTOPEN_CONNECT => i32::from(self.opening_of(id.index).fast_open_connect),
            tcp::FASTOPEN_NO_COOKIE => i32::from(self.opening_of(id.index).fast_open_no_cookie),
            tcp::FASTOPEN_KEY => return Ok(self.fast_open_keys_of(id.index).write()),
            _ => return self.recall(id, IPPROTO_TCP, name),
        }))
    }

    /// TCP_MAXSEG: what a full segment of the connection holds, or what is to limit it.
    fn present_mss(&mut self, id: SocketId, clamp: u16) -> Result<i32, SocketError> {
        match self.socket(id)?.kind {
            Kind::Connection(_) => Ok(self.info(id)?.snd_mss.into()),
            _ if clamp > 0 => Ok(clamp.into()),
            // RFC 9293 MUST-15.
            _ => Ok(536),
        }
    }
}

/// Linux's TCP_RTO_MAX in seconds, as far as TCP_DEFER_ACCEPT is concerned.
const DEFER_STEP_MAX: i32 = 120;

/// How many SYN-ACKs go in so many seconds, the first wait being one second and each twice the last.
fn syn_acks_in(seconds: i32) -> u8 {
    let (mut count, mut step, mut passed) = (0_u8, 1, 0);
    while passed < seconds && count < u8::MAX {
        count += 1;
        passed += step;
        step = (2 * step).min(DEFER_STEP_MAX);
    }
    count
}

/// The seconds that so many SYN-ACKs take.
fn seconds_of(syn_acks: u8) -> i32 {
    let (mut step, mut passed) = (1, 0);
    for _ in 0..syn_acks {
        passed += step;
        step = (2 * step).min(DEFER_STEP_MAX);
    }
    passed
}
