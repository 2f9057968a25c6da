import EventLoop
import Logging
import SessionMap

/// Makes a space at the start of a node: in fresh memory, or in a file, whose items are taken over.
struct SpaceMaker {
    private let configuration: SpaceConfiguration
    private let threadCount: Int
    /// Whether others keep copies of the items, too.
    private let hasPeers: Bool
    /// Whether operators can come, who ask when sessions began.
    private let hasOperators: Bool
    private let logger: Logger
    private let shouldStop: @Sendable () -> Bool
    private let security: NodeSecurity?
    private let authentication: NodeAuthentication?

    /// What is wrong with files of TLS and of passwords is found here: it must not wait until the memory is there.
    ///
    /// - Parameter space: one of the configuration, or one that comes while its node runs.
    init(_ configuration: NodeConfiguration, _ space: SpaceConfiguration) throws(NodeError) {
        self.configuration = space
        threadCount = configuration.rules.threadCount
        hasPeers = space.peers != nil
        hasOperators = configuration.rules.hasOperators
        do throws(NodeError) {
            security = try Self.makeSecurity(space)
            authentication = try Self.makeAuthentication(space.authentication)
        } catch {
            throw error.of(space)
        }
        logger = configuration.logger
        shouldStop = configuration.shouldStop
    }

    private static func makeSecurity(
        _ space: SpaceConfiguration
    ) throws(NodeError) -> NodeSecurity? {
        guard let settings = space.tls else { return nil }
        do throws(TLSError) {
            return try NodeSecurity(space, settings)
        } catch {
            throw NodeError(error)
        }
    }

    static func makeAuthentication(
        _ rules: AuthenticationRules?
    ) throws(NodeError) -> NodeAuthentication? {
        guard let rules else { return nil }
        do throws(AuthenticationError) {
            return try NodeAuthentication(rules)
        } catch {
            throw NodeError(error)
        }
    }

    func make() throws(NodeError) -> Space {
        do {
            if let path = configuration.memoryFile { return try make(in: path) }
            return try makeInMemory()
        } catch let error as MapError {
            throw NodeError(error).of(configuration)
        } catch let error as NodeError {
            throw error.isMisconfigured ? error : error.of(configuration)
        } catch {
            throw NodeError(message: "cannot make the map: \(error)").of(configuration)
        }
    }

    private func makeInMemory() throws(MapError) -> Space {
        if let shortage = MemoryBudget.ofThisProcess().shortage(
            arenaByteCount: configuration.memoryByteCount)
        {
            StartWork(logger: logger).warn(shortage)
        }
        let clock = NodeClock()
        let map = configuration.map.with(features: features)
        map.lifetimes.setLead(clock.birthClockLead())
        return space(try SessionMap(map, now: clock.now().seconds), clock)
    }

    private var features: ArenaFeatures { configuration.features }

    private func space(
        _ map: SessionMap, _ clock: NodeClock, file: MemoryFile? = nil, _ takeover: Takeover? = nil
    ) -> Space {
        // Who carries out what others ask for counts for itself.
        Space(
            configuration, map: map, clock: clock, file: file,
            workerCount: threadCount + (hasOperators ? 1 : 0) + (hasPeers ? 1 : 0),
            security: security, authentication: authentication, fenceLog: fenceLog(of: map),
            takeover: takeover)
    }

    /// Members of a cluster remember what was deleted anyway.
    private func fenceLog(of map: SessionMap) -> FenceLog? {
        guard let path = configuration.memoryFile, configuration.fence.seconds > 0, !hasPeers
        else { return nil }
        let logger = logger
        do {
            return try FenceLog(path + ".fences", map: map) {
                logger.error(
                    "cannot write down what is fenced: the next process will not know of it")
            }
        } catch {
            logger.error("what is fenced is not written down: \(error)")
            return nil
        }
    }

    // MARK: In a file

    /// A damaged file may be kept aside: then there is a new one in its place.
    private func make(
        in path: String, isSecondAttempt: Bool = false
    ) throws -> Space {
        let work = StartWork(logger: logger, shouldStop: shouldStop)
        let rule = configuration.damagedFileRule
        var file = try MemoryFile(
            path: path,
            byteCount: SessionMap.arenaByteCount(forMapOf: configuration.memoryByteCount),
            planned: .planned(for: configuration.map), damagedFileRule: rule, work: work)
        try Self.checkOwner(file.owner, of: path, for: configuration)
        let clock = NodeClock(resuming: file.savedClock)
        // Checksums cost a store some 3 % of its time: too much where memory does not come back damaged.
        let hasChecksums = configuration.checksums ?? !file.isInMemory
        let mapConfiguration = configuration.map.with(
            features: hasChecksums ? features.union(.checksums) : features)
        // One that a file has kept goes on, whatever has become of the machine's clock. Members of a cluster each take
        // that of their machine, as theirs have to agree; while they run nothing changes it.
        let kept = hasPeers ? nil : file.birthClockLead
        mapConfiguration.lifetimes.setLead(kept ?? clock.birthClockLead())
        do {
            file = try MemoryFile.fitted(
                file, to: mapConfiguration, clock: clock, damagedFileRule: rule,
                threadCount: threadCount, work)
            let (map, takeover) = try map(mapConfiguration, in: file, clock, work)
            if configuration.isNamed { file.give(to: configuration.name) }
            return space(map, clock, file: file, takeover)
        } catch {
            let problem = (error as? MapError).map(NodeError.init) ?? error as? NodeError
            guard let problem, problem.isFileUnusable, rule == .aside, !isSecondAttempt else {
                throw error
            }
            let name = try file.putAside()
            work.warn(
                "\(problem.message); it is kept as \(name), and the node starts without items")
        }
        return try make(in: path, isSecondAttempt: true)
    }

    /// Two files that have changed their places would show one application's sessions to the other.
    static func checkOwner(
        _ owner: String?, of path: String, for space: SpaceConfiguration
    ) throws(NodeError) {
        guard space.isNamed, let owner, owner != space.name, owner != space.formerName else {
            return
        }
        var error = NodeError(
            message:
                "memory file \(path) belongs to space \(owner): give space \(space.name) one of "
                + "its own, or say former_name: \(owner) if that was its name")
        error.isMisconfigured = true
        throw error
    }

    private func map(
        _ mapConfiguration: MapConfiguration, in file: MemoryFile, _ clock: NodeClock,
        _ work: StartWork
    ) throws -> (SessionMap, Takeover?) {
        let map: SessionMap
        var takeover: Takeover?
        if let header = file.header {
            try file.prepareToRecover(work)
            (map, takeover) = try recover(mapConfiguration, file, header, clock, work)
        } else {
            map = try SessionMap(mapConfiguration, in: file.memory, now: clock.now().seconds)
        }
        if let move = file.move { map.count(evictionsOf: move) }
        map.save(clock.saved())
        try file.finish()
        return (map, takeover)
    }

    private func recover(
        _ mapConfiguration: MapConfiguration, _ file: MemoryFile, _ header: ArenaHeader,
        _ clock: NodeClock, _ work: StartWork
    ) throws -> (SessionMap, Takeover) {
        let start = ContinuousClock.now
        var report = RecoveryReport()
        let map = try SessionMap(
            mapConfiguration, recovering: file.memory, header: header, now: clock.now().seconds,
            report: &report
        ) { count, body in
            NodeThread.each(count, threadCount: threadCount, body)
        }
        let milliseconds = Int((ContinuousClock.now - start) / .milliseconds(1))
        logger.notice(
            """
            recovered \(report.itemCount) items, \(report.byteCount) bytes, in \(milliseconds) ms; \
            not taken over: \(report.expiredCount) expired, \(report.flushedCount) flushed, \
            \(report.supersededCount) replaced, \(report.evictedCount) evicted, \
            \(report.damagedCount) damaged
            """)
        work.warn(ofDamageIn: report, shardCount: header.regionCount)
        map.noteTakeover()
        return (map, Takeover(report: report, milliseconds: milliseconds))
    }
}
