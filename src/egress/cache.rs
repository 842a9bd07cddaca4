//! Answers that a function got before. Its calls share them; other functions do not see them.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hickory_resolver::proto::rr::RecordType;
use tokio::time::Instant;

use crate::upstream::Answer;
use api::egress::name::Name;

/// Answers that one function keeps.
const ANSWERS_MAX: usize = 256;

#[derive(Debug)]
struct Kept {
    answer: Answer,
    since: Instant,
}

impl Kept {
    fn age(&self) -> Duration {
        self.since.elapsed()
    }

    fn is_good(&self) -> bool {
        self.age() < Duration::from_secs(self.answer.ttl.into())
    }
}

/// Answers within their time to live.
#[derive(Debug, Default)]
pub(crate) struct Cache(Mutex<HashMap<(Name, RecordType), Kept>>);

impl Cache {
    pub(crate) fn get(&self, name: &Name, kind: RecordType) -> Option<Answer> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = all.get(&(name.clone(), kind)).filter(|kept| kept.is_good())?;
        let seconds = kept.age().as_secs().try_into().unwrap_or(u32::MAX);
        Some(kept.answer.clone().aged(seconds))
    }

    pub(crate) fn put(&self, name: Name, kind: RecordType, answer: &Answer) {
        if answer.ttl == 0 {
            return;
        }
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= ANSWERS_MAX {
            all.retain(|_, kept| kept.is_good());
        }
        if all.len() >= ANSWERS_MAX
            && let Some(oldest) = all.iter().min_by_key(|(_, kept)| kept.since).map(|(key, _)| key.clone())
        {
            all.remove(&oldest);
        }
        all.insert((name, kind), Kept { answer: answer.clone(), since: Instant::now() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hickory_resolver::proto::op::ResponseCode;

    #[tokio::test(start_paused = true)]
    async fn answers_are_kept_for_their_time_and_within_bounds() {
        let cache = Cache::default();
        let answer = |ttl| Answer { ttl, ..Answer::code(ResponseCode::NXDomain) };
        let name = |number: usize| format!("a{number}.example").parse::<Name>().unwrap();
        cache.put(name(0), RecordType::A, &answer(0));
        assert_eq!(cache.get(&name(0), RecordType::A), None);
        cache.put(name(0), RecordType::A, &answer(60));
        assert_eq!(cache.get(&name(0), RecordType::A), Some(answer(60)));
        assert_eq!(cache.get(&name(0), RecordType::AAAA), None);
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(cache.get(&name(0), RecordType::A), None);
        for number in 0..1000 {
            tokio::time::advance(Duration::from_millis(1)).await;
            cache.put(name(number), RecordType::A, &answer(60));
        }
        assert_eq!(cache.0.lock().unwrap().len(), ANSWERS_MAX);
        assert!(
            cache.get(&name(999), RecordType::A).is_some() && cache.get(&name(0), RecordType::A).is_none()
        );
    }
}
