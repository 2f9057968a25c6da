import MemcacheProtocol
import Synchronization

/// What an operator asks for: `lru`, `lru_crawler`, `slabs`, `watch`, `refresh_certs`, `config`.
extension Connection {
    func operate(_ command: OperatorCommand, isQuiet: Bool, now: Moment) {
        // Nothing where the command has answered by itself.
        guard let answer = answer(to: command, now: now) else { return }
        switch answer {
        case .ok: reply(.ok, isQuiet: isQuiet)
        case .refused(let refusal): reply(refusal.line, isQuiet: isQuiet)
        }
    }

    private enum Answer {
        case ok
        case refused(OperatorReply)
    }

    private func answer(to command: OperatorCommand, now: Moment) -> Answer? {
        switch command {
        case .tune(let setting):
            return context.tuning.withLock { $0.apply(setting) } ? .ok : .refused(.error)
        case .reassign(let source, let target):
            return .refused(
                context.tuning.withLock { $0.reassign(source: source, target: target) })
        case .enableCrawler:
            return context.dumps.enable() ? .ok : .refused(.crawlerNotStarted)
        case .disableCrawler:
            context.dumps.disable()
            return .ok
        case .crawl(let selection): return crawl(selection, now: now)
        case .dump(let style, let selection):
            return startDump(style, selection, now: now).map { .refused($0) }
        case .watch(let events): return startWatching(events).map { .refused($0) }
        case .refreshCertificates: return .refused(.noTLS)
        case .showCluster:
            // Without a cluster the command does not exist, as in memcached.
            guard let listing = context.cluster.withLock({ $0 }) else { return .refused(.error) }
            listing.reply.withUnsafeBytes { output.append($0) }
            return nil
        case .showDefinition:
            guard let listing = context.cluster.withLock({ $0 }) else { return .refused(.error) }
            listing.definitionReply.withUnsafeBytes { output.append($0) }
            return nil
        case .refused(let reply): return .refused(reply)
        }
    }

    /// There is nothing to crawl for: what has expired is gone within its second.
    private func crawl(_ selection: ItemSelection, now: Moment) -> Answer {
        guard context.dumps.isEnabled else { return .refused(.crawlerDisabled) }
        switch selection {
        case .badClass: return .refused(.badClass)
        case .none: return .refused(.nothingToCrawl)
        // memcached crawls the index for dumps only.
        case .hash: return .refused(.crawlerFailed)
        case .all, .classes: break
        }
        switch context.dumps.crawl(now: now.seconds) {
        case .began: return .ok
        case .busy: return .refused(.crawlerBusy)
        case .disabled: return .refused(.crawlerDisabled)
        }
    }
}
