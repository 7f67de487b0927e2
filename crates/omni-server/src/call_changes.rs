//! What a running call changes for clients: resources that it says were updated, and what its own client sees.

use omni_call::{Event, Outcome, OutcomeKind};
use omni_catalog::ProfileId;

use crate::server::Server;
use crate::viewer::Viewer;

/// Takes from a call's events those that change something for clients, and does what they say. A mistake in one, such as
/// a URI that the call's source does not have, is its author's: it fails the call once that has ended well.
pub(crate) struct CallChanges<'a> {
    server: &'a Server,
    /// The number of the source that has what is called: it changes nothing of others.
    source: usize,
    profile: ProfileId,
    /// `None` where nobody lists anything after it, as on the command line.
    viewer: Option<&'a Viewer>,
    /// The first mistake.
    mistake: Option<String>,
}

impl<'a> CallChanges<'a> {
    pub(crate) fn new(
        server: &'a Server,
        source: usize,
        profile: ProfileId,
        viewer: Option<&'a Viewer>,
    ) -> Self {
        CallChanges { server, source, profile, viewer, mistake: None }
    }

    /// Does what the event says; gives back one that changes nothing.
    pub(crate) fn take(&mut self, event: Event) -> Option<Event> {
        match event {
            Event::Progress { .. } | Event::Log { .. } => return Some(event),
            Event::ResourceUpdated { uri } => self.resource_updated(&uri),
            Event::Visibility { name, shown } => self.set_visibility(&name, shown),
        }
        None
    }

    fn resource_updated(&mut self, uri: &str) {
        let snapshot = self.server.catalog.snapshot();
        if snapshot.source_of_resource(uri) == Some(self.source) {
            self.server.updates.updated(uri);
            return;
        }
        let meant = snapshot.similar_resource(self.source, uri);
        self.mistake("resource_updated", uri, "resource, and no template that it is made from", meant);
    }

    fn set_visibility(&mut self, name: &str, shown: bool) {
        let method = if shown { "show" } else { "hide" };
        let snapshot = self.server.catalog.snapshot();
        let items = snapshot.named(self.source, self.profile, name);
        if items.is_empty() {
            let meant = snapshot.similar_name(self.source, name);
            self.mistake(method, name, "tool, resource, template or prompt here", meant.as_deref());
            return;
        }
        let Some(viewer) = self.viewer else { return };
        // Nothing that is shown goes past what the client's profile leaves out.
        let items: Vec<_> = items.into_iter().filter(|item| snapshot.allows(self.profile, item)).collect();
        if let Err(too_many) = viewer.change(self.server, &items, shown) {
            let shown: String = name.chars().take(NAME_CHARS_MAX).collect();
            self.mistake.get_or_insert(format!("`ctx.{method}(\"{shown}\")`: {too_many}"));
        }
    }

    /// Notes a mistake of the author's.
    fn mistake(&mut self, method: &str, named: &str, what: &str, meant: Option<&str>) {
        let shown: String = named.chars().take(NAME_CHARS_MAX).collect();
        let meant = meant.map(|meant| format!("; did you mean `{meant}`?")).unwrap_or_default();
        let message = format!("`ctx.{method}(\"{shown}\")`: there is no such {what}{meant}");
        tracing::warn!(message, "a call changes what there is not");
        self.mistake.get_or_insert(message);
    }

    /// Fails a call that has made a mistake and would end well otherwise.
    pub(crate) fn judge(&mut self, outcome: &mut Outcome) {
        if let OutcomeKind::Finished(_) = outcome.kind
            && let Some(message) = self.mistake.take()
        {
            // For clients to read: it says nothing but what stands in the source.
            outcome.kind = OutcomeKind::tool_error("LookupError", message, None);
        }
    }
}

/// Of what a tool named, so much is repeated.
const NAME_CHARS_MAX: usize = 200;
