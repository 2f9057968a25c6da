import MemcacheProtocol
import Synchronization

/// What an operator asks for: `lru`, `lru_crawler`, `slabs`, `watch`, `refresh_certs`, `config`.
extension Executor {
    /// - Parameter owesReplies: to earlier commands; there are commands that must be the first.
    func operate(_ command: OperatorCommand, owesReplies: Bool, now: Moment) -> Answer {
        switch command {
        case .tune(let setting):
            return context.switches.tuning.withLock { $0.apply(setting) }
                ? .reply(.ok) : .refusal(.error)
        case .reassign(let source, let target):
            return .refusal(
                context.switches.tuning.withLock { $0.reassign(source: source, target: target) })
        case .enableCrawler:
            return space.dumps.enable() ? .reply(.ok) : .refusal(.crawlerNotStarted)
        case .disableCrawler:
            space.dumps.disable()
            return .reply(.ok)
        case .crawl(let selection): return crawl(selection, now: now)
        case .dump(let style, let selection):
            return dump(style, selection, owesReplies: owesReplies, now: now)
        case .watch(let events): return watch(events, owesReplies: owesReplies)
        case .refreshCertificates: return refreshCertificates()
        case .showCluster:
            // Without a cluster the command does not exist, as in memcached.
            guard let listing = space.cluster.withLock({ $0 }) else { return .refusal(.error) }
            return .bytes(listing.reply)
        case .showDefinition:
            guard let listing = space.cluster.withLock({ $0 }) else { return .refusal(.error) }
            return .bytes(listing.definitionReply)
        case .refused(let reply): return .refusal(reply)
        }
    }

    private func refreshCertificates() -> Answer {
        guard context.speaksTLS else { return .refusal(.noTLS) }
        do {
            try context.refreshCertificates()
            return .reply(.ok)
        } catch {
            return .bytes(Array("Error \(error)\r\n".utf8))
        }
    }

    /// There is nothing to crawl for: what has expired is gone within its second.
    private func crawl(_ selection: ItemSelection, now: Moment) -> Answer {
        guard space.dumps.isEnabled else { return .refusal(.crawlerDisabled) }
        switch selection {
        case .badClass: return .refusal(.badClass)
        case .none: return .refusal(.nothingToCrawl)
        // memcached crawls the index for dumps only.
        case .hash: return .refusal(.crawlerFailed)
        case .all, .classes: break
        }
        switch space.dumps.crawl(now: now.seconds) {
        case .began: return .reply(.ok)
        case .busy: return .refusal(.crawlerBusy)
        case .disabled: return .refusal(.crawlerDisabled)
        }
    }
}
