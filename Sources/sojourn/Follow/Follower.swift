import SessionClient

/// Does what `Following` says, and tells the log what comes of it.
struct Follower {
    private let client: EtcdClient
    private let target: DefinitionTarget
    private let credentials: (() throws -> Credentials)?
    private let intervalSeconds: Double
    private var following: Following
    private var journal = TroubleJournal()
    /// What became of the key's value at last: it is told once.
    private var lastOutcome: Outcome?
    /// Of the store, when it was read last.
    private var lastRevision: Int64 = 0

    private enum Outcome: Equatable {
        case taken, missing
        case refused(String)
    }

    /// - Parameters:
    ///   - credentials: asked each time that a login is needed, as a password may have changed; nil is nobody.
    ///   - intervalSeconds: after so long the key is read anew, whatever the watch says.
    init(
        _ client: EtcdClient, to target: DefinitionTarget, intervalSeconds: Double,
        credentials: (() throws -> Credentials)?
    ) {
        self.client = client
        self.target = target
        self.intervalSeconds = intervalSeconds
        self.credentials = credentials
        following = Following(
            endpointCount: client.endpoints.count, logsIn: credentials != nil)
    }

    /// Goes on for ever.
    mutating func run() async -> Never {
        while true { _ = await advance() }
    }

    /// Asks each endpoint at most once.
    ///
    /// - Returns: whether the file has now what etcd has.
    mutating func runOnce() async -> Bool {
        while following.troubleCount < client.endpoints.count {
            if case .pause = following.step { following.hasPaused() }
            if let isThere = await advance() { return isThere }
        }
        return false
    }

    /// One step.
    ///
    /// - Returns: after a reading whether the file has it.
    private mutating func advance() async -> Bool? {
        let (client, endpoint, token) = (client, following.endpoint, following.token)
        do {
            switch following.step {
            case .pause(let duration):
                try? await Task.sleep(for: duration)
                following.hasPaused()
            case .authenticate:
                following.hasLoggedIn(
                    token: try await client.token(at: endpoint, try currentCredentials()))
            case .read:
                let reading = try await client.read(at: endpoint, token: token)
                following.hasRead(revision: reading.revision)
                return try take(reading, from: client.endpoints[endpoint])
            case .watch(let revision):
                try await watch(from: revision, endpoint, token)
            }
        } catch {
            fail(error, at: client.endpoints[endpoint])
        }
        return nil
    }

    private func currentCredentials() throws(EtcdTrouble) -> Credentials {
        guard let credentials else { preconditionFailure("nobody logs in without a user") }
        do {
            return try credentials()
        } catch {
            throw .ours("\(error)")
        }
    }

    private mutating func watch(
        from revision: Int64, _ endpoint: Int, _ token: String?
    ) async throws(EtcdTrouble) {
        try await client.watch(
            from: revision, at: endpoint, token: token, seconds: intervalSeconds
        ) { news throws(EtcdTrouble) in
            switch news {
            case .nothing: return
            case .put(let value): _ = try take(value)
            case .deleted(let revision):
                leaveFile(
                    .missing, because: "\(client.key) was deleted in etcd (revision \(revision))")
            }
            following.hasHeard()
        }
        following.watchIsOver()
    }

    // MARK: What was told

    private mutating func take(
        _ reading: EtcdReading, from endpoint: EtcdEndpoint
    ) throws(EtcdTrouble) -> Bool {
        if journal.clear() { say("\(endpoint) answers") }
        if reading.revision < lastRevision {
            say(
                "\(endpoint) is at revision \(reading.revision), and etcd was at \(lastRevision): it was restored "
                    + "from a backup, or is another one. What it has counts")
        }
        lastRevision = reading.revision
        guard let value = reading.value else {
            leaveFile(
                .missing,
                because: "there is no \(client.key) in etcd (revision \(reading.revision))")
            return false
        }
        return try take(value)
    }

    /// - Returns: whether the file has it now.
    private mutating func take(_ value: EtcdValue) throws(EtcdTrouble) -> Bool {
        let name = "revision \(value.revision) of \(client.key)"
        do {
            switch try target.take(value.bytes, name: name) {
            case .written: say("\(target.path) is written: \(name)")
            case .unchanged where lastOutcome == .taken: break
            case .unchanged: say("\(target.path) is what it should be: \(name)")
            case .refused(let reason):
                leaveFile(.refused(reason), because: "stays out: \(reason)")
                return false
            }
        } catch {
            throw .ours(error.description)
        }
        lastOutcome = .taken
        return true
    }

    private mutating func leaveFile(_ outcome: Outcome, because reason: String) {
        guard lastOutcome != outcome else { return }
        lastOutcome = outcome
        say("\(reason). \(target.path) stays as it is")
    }

    private mutating func fail(_ trouble: EtcdTrouble, at endpoint: EtcdEndpoint) {
        guard following.hasFailed(trouble, draw: .random(in: 0...1)) else { return }
        let text = trouble.isOurs ? "\(trouble)" : "\(endpoint): \(trouble)"
        if journal.add(text) { say("\(text). \(target.path) stays as it is") }
    }

    private func say(_ text: String) { tell("sojourn follow: \(text)\n") }
}
