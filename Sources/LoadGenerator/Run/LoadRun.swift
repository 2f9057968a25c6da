import EventLoop
import Glibc
import HashRing
import Synchronization

/// A load from its first connection to its result: connect, store every key, warm up, measure.
package final class LoadRun {
    private let plan: LoadPlan
    private let gate: PhaseGate
    private let origin = monotonicNanoseconds()
    private var threads: [LoadThread] = []
    private let progress: (LoadProgress) -> Void

    /// - Parameter progress: is called about every second, until the result is there.
    package init(plan: LoadPlan, progress: @escaping (LoadProgress) -> Void = { _ in }) {
        self.plan = plan
        self.progress = progress
        gate = PhaseGate(threadCount: plan.threadCount)
    }

    package func run() throws -> LoadResult {
        _ = try serverClocks()
        try connect()
        for thread in threads { thread.phase = .fill }
        let running = try threads.map { try RunningThread($0, gate) }
        defer {
            for thread in threads { thread.isCancelled = true }
            gate.open()
            for thread in running { thread.join() }
        }
        waitForAll("storing")
        try checkFill()
        if plan.warmUpSeconds > 0 {
            begin(seconds: plan.warmUpSeconds, requestCount: nil)
            waitForAll("warming up")
        }
        return try measure()
    }

    private func measure() throws -> LoadResult {
        for thread in threads { thread.tally.sentByteCount = 0 }
        for thread in threads { thread.tally.receivedByteCount = 0 }
        let clocks = try serverClocks()
        let own = ProcessTimes.ofThisProcess()
        let start = monotonicNanoseconds()
        for thread in threads { thread.tally.start = start }
        switch plan.extent {
        case .seconds(let seconds): begin(seconds: seconds, requestCount: nil)
        case .requests(let count): begin(seconds: nil, requestCount: count)
        }
        waitForAll("measuring")
        let seconds = Double(monotonicNanoseconds() - start) / 1e9
        let ownTimes = ProcessTimes.ofThisProcess() - own
        let tally = Tally()
        for thread in threads {
            tally.add(thread.tally)
            let unsent = thread.unsentCount
            tally.note(
                .unsent, count: unsent,
                "\(unsent) requests were due and found no connection to be sent on")
        }
        // A server that has gone has used what nobody knows.
        let serverTimes = (try? serverClocks()).flatMap { now in
            clocks.flatMap { now?.times(since: $0) }
        }
        return LoadResult(
            plan: plan, tally: tally, seconds: seconds, ownTimes: ownTimes,
            serverTimes: serverTimes)
    }

    /// Those of all servers' processes together; nil when none was asked for.
    private func serverClocks() throws(LoadError) -> ProcessClocks? {
        guard !plan.serverProcessIDs.isEmpty else { return nil }
        return try ProcessClocks(of: plan.serverProcessIDs)
    }

    // MARK: Connections

    private func connect() throws {
        raiseDescriptorLimit(to: plan.connectionCount + 64)
        let keys = plan.keyFormat
        let dealing = KeyDealing(
            keyCount: plan.keyCount, connectionCount: plan.connectionCount,
            placement: try Placement(plan.servers, plan.ring), keyFormat: keys)
        let context = ConversationContext(
            wire: plan.wire, keys: keys, values: plan.values, depth: plan.depth,
            keysPerGet: plan.keysPerGet, toleratesMisses: plan.toleratesMisses)
        for _ in 0..<plan.threadCount {
            do {
                threads.append(try LoadThread(plan: plan, origin: origin))
            } catch {
                throw LoadError.system("no event loop: \(error)")
            }
        }
        let opening = Opening(plan)
        for number in 0..<plan.connectionCount {
            let thread = threads[number % plan.threadCount]
            let server = plan.servers[dealing.node(ofConnection: number)]
            do {
                let sources = ConnectionSources(
                    plan: plan, dealing: dealing, connection: number, tally: thread.tally)
                let conversation = Conversation(
                    context: context, tally: thread.tally, source: sources.fill,
                    main: sources.main)
                try thread.add(try opening.transport(to: server), conversation)
            } catch let error as SocketError {
                throw LoadError.connectFailed(Self.text(of: error))
            }
        }
    }

    private static func text(of error: SocketError) -> String {
        switch error {
        case .unresolvable(let name, let reason): "\(name): \(reason)"
        case .failed(_, let address, let number): "\(address): \(String(cString: strerror(number)))"
        case .pathTooLong(let path): path
        }
    }

    private func raiseDescriptorLimit(to count: Int) {
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        guard limit.rlim_cur < rlim_t(count) else { return }
        limit.rlim_cur = min(limit.rlim_max, rlim_t(count))
        // If it stays too low, connecting will say so.
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    }

    // MARK: Phases

    /// Lets the threads into a phase of so many seconds or requests.
    private func begin(seconds: Double?, requestCount: Int?) {
        let start = monotonicNanoseconds()
        let end = seconds.map { start + UInt64($0 * 1e9) }
        for (number, thread) in threads.enumerated() {
            for connection in thread.connections {
                connection.conversation.source = connection.conversation.main
            }
            let share = requestCount.map { Self.share(of: $0, number, plan.threadCount) }
            if let rate = plan.rate {
                let schedule = OpenSchedule(
                    start: start + UInt64(Double(number) / rate * 1e9),
                    perSecond: rate / Double(plan.threadCount))
                let count = share ?? schedule.count(before: end ?? start)
                thread.phase = .open(schedule, requestCount: count)
            } else {
                thread.phase = .closed(end: end ?? .max, requestCount: share ?? .max)
            }
        }
        gate.open()
    }

    private static func share(of count: Int, _ number: Int, _ threadCount: Int) -> Int {
        count / threadCount + (number < count % threadCount ? 1 : 0)
    }

    private func waitForAll(_ phase: String) {
        var last = completedCount
        while !gate.waitForAll(milliseconds: 1_000) {
            let now = completedCount
            progress(LoadProgress(phase: phase, completedCount: now, lastSecondCount: now - last))
            last = now
        }
    }

    private var completedCount: Int {
        threads.reduce(0) { $0 + $1.completedCount.load(ordering: .relaxed) }
    }

    private func checkFill() throws {
        for thread in threads {
            for fault in Fault.allCases where thread.tally.count(of: fault) > 0 {
                throw LoadError.fillFailed(thread.tally.examples[fault] ?? fault.name)
            }
        }
    }
}

/// How far a load has come.
package struct LoadProgress: Sendable {
    package let phase: String
    package let completedCount: Int
    package let lastSecondCount: Int
}

/// What a load has found.
package struct LoadResult {
    package let plan: LoadPlan
    package let tally: Tally
    /// From the first request to the last reply.
    package let seconds: Double
    /// CPU time of the load itself.
    package let ownTimes: ProcessTimes
    /// CPU time of the servers' processes, when they were asked for.
    package let serverTimes: ProcessTimes?

    package var faultCount: Int {
        Fault.allCases.reduce(0) { sum, fault in
            let isTolerated = fault == .missing && plan.toleratesMisses
            return sum + (isTolerated ? 0 : tally.count(of: fault))
        }
    }
}

/// A started thread of a load.
private struct RunningThread {
    private let thread: pthread_t

    private final class Body {
        let thread: LoadThread
        let gate: PhaseGate

        init(_ thread: LoadThread, _ gate: PhaseGate) {
            self.thread = thread
            self.gate = gate
        }

        func run() {
            while !thread.isCancelled {
                thread.runPhase()
                gate.arriveAndWait()
            }
        }
    }

    init(_ thread: LoadThread, _ gate: PhaseGate) throws(LoadError) {
        var started = pthread_t()
        let context = Unmanaged.passRetained(Body(thread, gate))
        let result = pthread_create(
            &started, nil,
            { context in
                guard let context else { return nil }
                Unmanaged<Body>.fromOpaque(context).takeRetainedValue().run()
                return nil
            }, context.toOpaque())
        guard result == 0 else {
            context.release()
            throw .system("cannot start a thread: \(String(cString: strerror(result)))")
        }
        self.thread = started
    }

    func join() { pthread_join(thread, nil) }
}
