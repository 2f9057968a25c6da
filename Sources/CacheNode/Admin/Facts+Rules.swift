/// The rules by which the page is green, amber or red. Each is written down in `Verdict.Question.rule`, for people.
extension Facts {
    func verdict(_ question: Verdict.Question) -> Verdict {
        let (light, sentence) =
            switch question {
            case .loggedOut: loggedOutVerdict
            case .room: roomVerdict
            case .evicted: evictedVerdict
            case .speed: speedVerdict
            case .load: loadVerdict
            case .locks: locksVerdict
            case .copies: copiesVerdict
            case .restart: restartVerdict
            case .connections: connectionsVerdict
            case .expiry: expiryVerdict
            }
        return Verdict(question: question, light: light, sentence: sentence)
    }

    private typealias Finding = (Verdict.Light, String)

    private var loggedOutVerdict: Finding {
        if loggedOutRecently >= 0.5 {
            return (
                .red,
                tellsProven
                    ? "Yes: \(Figure.count(loggedOutRecently)) in the last 10 minutes, for want of memory."
                    : "Yes, up to \(Figure.count(loggedOutRecently)) in the last 10 minutes: with eviction=lru it is not known which were in use."
            )
        }
        if loggedOut > 0 {
            return (.amber, "Not of late; \(Figure.count(Double(loggedOut))) since the start.")
        }
        return (.green, "No session in use was ever evicted since the start.")
    }

    private var usedShare: Double { Double(usedBytes) / Double(max(1, limitBytes)) }

    private var roomVerdict: Finding {
        let fill = "\(Figure.percent(usedShare)) of \(Figure.bytes(limitBytes)) in use"
        if refusedForRoomRecently >= 0.5 {
            return (
                .red,
                "\(fill); \(Figure.count(refusedForRoomRecently)) stores found no memory in the last 10 minutes."
            )
        }
        if evictedRecently >= 0.5 { return (.green, "\(fill); full, and evicting as it should.") }
        guard let rate = bytesPerSecond, rate >= 1 else { return (.green, "\(fill), not growing.") }
        let seconds = Double(max(0, limitBytes - usedBytes)) / rate
        let sentence = "\(fill); full in \(Figure.duration(seconds)) at this rate."
        return (seconds < 3_600 ? .amber : .green, sentence)
    }

    private var evictedVerdict: Finding {
        guard evicts else { return (.off, "Evictions are off (-M).") }
        guard evictedRecently >= 0.5 else { return (.green, "Nothing, in the last 10 minutes.") }
        let probationary = max(0, evictedRecently - loggedOutRecently)
        let sentence =
            "\(Figure.count(probationary)) that were never read back, \(Figure.count(loggedOutRecently)) in "
            + "use; the last one had not been used for \(Figure.duration(Double(evictedAgeSeconds)))."
        return (probationary >= 0.5 && evictedAgeSeconds < 60 ? .amber : .green, sentence)
    }

    private var speedVerdict: Finding {
        let rate = "\(Figure.count(requestsPerSecond)) requests a second"
        guard let slowMicroseconds else { return (.off, "\(rate). Times are not measured yet.") }
        let light: Verdict.Light =
            slowMicroseconds > 50_000 ? .red : slowMicroseconds > 5_000 ? .amber : .green
        let middle = middleMicroseconds.map { "half within \(Figure.microseconds($0)), " } ?? ""
        return (
            light, "\(rate); \(middle)99 of 100 within \(Figure.microseconds(slowMicroseconds))."
        )
    }

    private var loadVerdict: Finding {
        guard let heaviest, heaviest.total > 0 else { return (.off, "Nothing was counted yet.") }
        let share = Double(heaviest.count) / Double(heaviest.total)
        let light: Verdict.Light = heaviest.total >= 1_000 && share > 0.25 ? .amber : .green
        return (
            light,
            "\(heaviest.what) of \(heaviest.name): \(Figure.percent(share)) of "
                + "\(Figure.count(Double(heaviest.total)))."
        )
    }

    private var locksVerdict: Finding {
        guard hasLocks else { return (.off, "No keys are locks here (lock_keys).") }
        let sentence =
            "\(waiting) wait now; \(Figure.count(lockTimeoutsRecently)) waited too long in the last 10 "
            + "minutes; the longest wait was \(Figure.microseconds(Double(longestWaitMicroseconds)))."
        if lockTimeoutsRecently > 60 { return (.red, sentence) }
        return (waiting > 20 || lockTimeoutsRecently >= 0.5 ? .amber : .green, sentence)
    }

    private var copiesVerdict: Finding {
        guard let members else {
            return (.off, "This node is alone, and keeps no copies elsewhere.")
        }
        let away = members.away.isEmpty ? "" : ", away: \(members.away.joined(separator: ", "))"
        let there = "\(members.current) of \(members.all) members have the same\(away)"
        if members.refusesChanges {
            return (.red, "\(there). Changes are refused: no majority is reached.")
        }
        if members.singleCopiesRecently >= 0.5 {
            return (
                .red,
                "\(there). \(Figure.count(members.singleCopiesRecently)) changes of the last 10 minutes are "
                    + "here alone."
            )
        }
        return (members.away.isEmpty ? .green : .amber, there + ".")
    }

    private var restartVerdict: Finding {
        guard let start else { return (.off, "It started empty.") }
        let sentence =
            "\(Figure.count(Double(start.items))) items, \(Figure.bytes(start.bytes)), in "
            + "\(start.milliseconds) ms, after \(Figure.duration(Double(start.secondsAway))) away"
        return start.damaged > 0
            ? (.amber, sentence + "; \(start.damaged) were damaged, and left out.")
            : (.green, sentence + ".")
    }

    private var connectionsVerdict: Finding {
        let open = "\(connections) of \(connectionsMax) are open"
        guard isAccepting else { return (.red, "\(open): nobody is accepted at the moment.") }
        if turnedAwayRecently >= 0.5 {
            return (
                .red, "\(open); clients had to wait or were turned away in the last 10 minutes."
            )
        }
        if brokenRecently >= 0.5 {
            return (
                .amber,
                "\(open); \(Figure.count(brokenRecently)) failed in the last 10 minutes (login, TLS, slow "
                    + "reader)."
            )
        }
        let isNearlyFull = Double(connections) > 0.8 * Double(connectionsMax)
        return (isNearlyFull ? .amber : .green, open + ".")
    }

    private var expiryVerdict: Finding {
        let rate = "\(Figure.count(expiredPerSecond)) a second"
        guard let expiryLagSeconds else {
            return (.green, "\(rate); each goes within a second of its time, by the wheel.")
        }
        let light: Verdict.Light =
            expiryLagSeconds > 10 ? .red : expiryLagSeconds > 2 ? .amber : .green
        return (light, "\(rate), at most \(Figure.duration(expiryLagSeconds)) late.")
    }
}

/// Numbers for people.
enum Figure {
    static func count(_ number: Double) -> String {
        switch number {
        case ..<10: trimmed(number, number < 1 ? 2 : 1)
        case ..<10_000: grouped(Int(number.rounded()))
        case ..<1e6: trimmed(number / 1e3, 0) + " k"
        default: trimmed(number / 1e6, 1) + " M"
        }
    }

    static func percent(_ share: Double) -> String {
        trimmed(share * 100, share < 0.1 ? 1 : 0) + " %"
    }

    static func bytes(_ count: Int) -> String {
        switch Double(count) {
        case let number where number >= 1_073_741_824: trimmed(number / 1_073_741_824, 1) + " GiB"
        case let number where number >= 1_048_576: trimmed(number / 1_048_576, 1) + " MiB"
        case let number where number >= 1_024: trimmed(number / 1_024, 0) + " KiB"
        default: "\(count) bytes"
        }
    }

    static func microseconds(_ number: Double) -> String {
        switch number {
        case ..<1_000: trimmed(number, 0) + " µs"
        case ..<1_000_000: trimmed(number / 1_000, 1) + " ms"
        default: trimmed(number / 1_000_000, 1) + " s"
        }
    }

    static func duration(_ seconds: Double) -> String {
        switch seconds {
        case ..<1: trimmed(seconds, 1) + " s"
        case ..<120: trimmed(seconds, 0) + " s"
        case ..<7_200: trimmed(seconds / 60, 0) + " min"
        case ..<172_800: trimmed(seconds / 3_600, 0) + " h"
        case ..<31_536_000: trimmed(seconds / 86_400, 0) + " days"
        default: "more than a year"
        }
    }

    private static func trimmed(_ number: Double, _ digits: Int) -> String {
        let factor = [1.0, 10, 100][min(2, digits)]
        let rounded = (number * factor).rounded() / factor
        return rounded == rounded.rounded() ? grouped(Int(rounded)) : String(rounded)
    }

    private static func grouped(_ number: Int) -> String {
        let digits = Array(String(abs(number)))
        var text = ""
        for (place, digit) in digits.enumerated() {
            if place > 0, (digits.count - place).isMultiple(of: 3) { text += "," }
            text.append(digit)
        }
        return number < 0 ? "-\(text)" : text
    }
}
