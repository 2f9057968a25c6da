import SessionClient

/// Some of the people, one after the other: views pages, changes the cart, logs out, comes back with the old cookie, and logs
/// in again. Nobody else touches their sessions, so what each must be is known.
struct Visitors {
    private let cache: CacheClient
    private let tally: DemoTally
    private var people: [Person]
    private var generator = SystemRandomNumberGenerator()
    private var changeCount = 0

    private struct Person {
        let key: CacheKey
        /// Each may be there: more than one after a change of which nobody knows what has come. Nothing is no session.
        var possible: [[UInt8]?]
        /// What a node that hung was asked for may be carried out when it goes on.
        var doubtEnds = ContinuousClock.now
    }

    private static let doubt = Duration.seconds(10)

    private static let lifetime = Expiry.after(.seconds(3_600))

    init(_ numbers: Range<Int>, _ cache: CacheClient, _ tally: DemoTally) throws(CacheError) {
        self.cache = cache
        self.tally = tally
        people = []
        for number in numbers {
            people.append(Person(key: try CacheKey("session:\(number)"), possible: [nil]))
        }
    }

    /// Everybody logs in, and is known from then on.
    mutating func logIn() async {
        for place in people.indices {
            repeat {
                await change(place, isLogout: false)
            } while people[place].possible.count > 1
                && !Task.isCancelled
            people[place].doubtEnds = .now
        }
    }

    /// Visits until the task is cancelled.
    mutating func visit(pause: Duration) async {
        while !Task.isCancelled {
            let place = Int.random(in: people.indices, using: &generator)
            switch Int.random(in: 0..<20, using: &generator) {
            case 0...3 where people[place].doubtEnds > .now: await view(place)
            case 0: await change(place, isLogout: true)
            case 1...3: await change(place, isLogout: false)
            default: await view(place)
            }
            try? await Task.sleep(for: pause)
        }
    }

    private mutating func view(_ place: Int) async {
        let start = ContinuousClock.now
        do {
            let item = try await cache.get(people[place].key, touching: Self.lifetime)
            noteAnswer(since: start)
            let possible = people[place].possible
            let value = item?.value
            if !possible.contains(value) {
                let isExpected = possible.contains { $0 != nil }
                tally.note {
                    if value == nil { $0.loggedOut += 1 }
                    if value != nil { if isExpected { $0.stale += 1 } else { $0.back += 1 } }
                }
            }
            if people[place].doubtEnds < start { people[place].possible = [value] }
        } catch {
            noteFailure(since: start)
        }
    }

    private mutating func change(_ place: Int, isLogout: Bool) async {
        changeCount += 1
        let key = people[place].key
        let value = Array("\(key): change \(changeCount) of the cart".utf8) + Self.filling
        let start = ContinuousClock.now
        do {
            if isLogout {
                try await cache.delete(key)
            } else {
                try await cache.set(key, to: value, expiry: Self.lifetime)
            }
            people[place].possible = [isLogout ? nil : value]
            noteAnswer(since: start)
        } catch {
            people[place].possible.append(isLogout ? nil : value)
            people[place].doubtEnds = .now + Self.doubt
            noteFailure(since: start)
        }
    }

    private static let filling = [UInt8](repeating: UInt8(ascii: "."), count: 300)

    private func noteAnswer(since start: ContinuousClock.Instant) {
        let taken = ContinuousClock.now - start
        tally.note {
            $0.requests += 1
            $0.longest = max($0.longest, taken)
            $0.longestNow = max($0.longestNow, taken)
        }
    }

    private func noteFailure(since start: ContinuousClock.Instant) {
        // It is over: nobody waits for the answer.
        guard !Task.isCancelled else { return }
        noteAnswer(since: start)
        tally.note { $0.failures += 1 }
    }
}

/// Programs that are given sessions and never come back.
struct Bots {
    let cache: CacheClient
    private static let value = [UInt8](repeating: UInt8(ascii: "b"), count: 300)

    init(_ cache: CacheClient) { self.cache = cache }

    /// So many, over so much time; what fails is no bot's loss.
    func come(_ numbers: Range<Int>, over duration: Duration) async {
        let start = ContinuousClock.now
        for number in numbers {
            guard !Task.isCancelled, let key = try? CacheKey("bot:\(number)") else { return }
            _ = try? await cache.set(key, to: Self.value, expiry: .after(.seconds(3_600)))
            let due = start + duration * (number - numbers.lowerBound) / numbers.count
            if due > .now { try? await Task.sleep(until: due) }
        }
    }
}
