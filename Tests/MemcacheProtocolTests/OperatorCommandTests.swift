import Testing

@testable import MemcacheProtocol

@Suite(.timeLimit(.minutes(10)))
struct OperatorCommandTests {
    private func operation(_ line: String) -> OperatorCommand? {
        guard case .operate(let command, isQuiet: false) = parse(line) else { return nil }
        return command
    }

    @Test("Settings are read with their numbers")
    func settings() {
        #expect(
            operation("lru tune 10 25 .1 2.0")
                == .tune(
                    .segments(hotPercent: 10, warmPercent: 25, hotFactor: 0.1, warmFactor: 2)))
        #expect(operation("lru mode flat") == .tune(.isSegmented(false)))
        #expect(operation("lru mode segmented") == .tune(.isSegmented(true)))
        #expect(operation("lru temp_ttl -5") == .tune(.temporaryTTL(-5)))
        #expect(operation("slabs automove 2") == .tune(.automove(2)))
        #expect(operation("slabs automove window 3") == .tune(.automoveWindow(3)))
        #expect(operation("slabs automove ratio 0.25") == .tune(.automoveRatio(0.25)))
        #expect(operation("slabs automove freeratio 1e-2") == .tune(.automoveFreeRatio(0.01)))
        #expect(operation("lru_crawler sleep 5") == .tune(.crawlerSleepMicroseconds(5)))
        #expect(operation("lru_crawler tocrawl 9") == .tune(.crawlerItemCount(9)))
        #expect(operation("slabs reassign -1 7") == .reassign(source: -1, target: 7))
    }

    @Test(
        "Hot and warm are 80 percent at most together, without wrapping around",
        arguments: ["41 40", "81 0", "0 81", "4294967295 1"])
    func segments(percents: String) {
        #expect(operation("lru tune 40 40 1 1") != .refused(.tooMuchHotAndWarm))
        #expect(operation("lru tune \(percents) 1 1") == .refused(.tooMuchHotAndWarm))
    }

    @Test("A window is 3 to 1,800 seconds long, a sleep at most a second")
    func bounds() {
        for (seconds, isTaken) in [(2, false), (3, true), (1_800, true), (1_801, false)] {
            #expect(
                operation("slabs automove window \(seconds)")
                    == (isTaken ? .tune(.automoveWindow(UInt32(seconds))) : .refused(.badWindow)))
        }
        #expect(
            operation("lru_crawler sleep 1000000") == .tune(.crawlerSleepMicroseconds(1_000_000)))
        #expect(operation("lru_crawler sleep 1000001") == .refused(.sleepTooLong))
    }

    @Test(
        "A number with a fraction is all of its word, and has at most 31 bytes",
        arguments: [".", "-", "x", "1x", "1.2.3", "1e", String(repeating: "1", count: 32), "0x"])
    func noFraction(word: String) {
        #expect(operation("slabs automove ratio " + times(31, "1")) != .refused(.error))
        #expect(operation("slabs automove ratio \(word)") == .refused(.error))
    }

    @Test("Items to crawl are all, those of the index, or classes with commas between them")
    func selections() {
        #expect(operation("lru_crawler crawl all") == .crawl(.all))
        #expect(operation("lru_crawler metadump hash") == .dump(.metadata, .hash))
        #expect(operation("lru_crawler mgdump 1") == .dump(.commands, .classes(1 << 1)))
        #expect(
            operation("lru_crawler metadump 63,1,,2,")
                == .dump(.metadata, .classes(1 << 63 | 1 << 1 | 1 << 2)))
        for none in [",", ",,,"] {
            #expect(operation("lru_crawler metadump \(none)") == .dump(.metadata, .none))
        }
        for bad in ["0", "64", "1,64", "-1", "x", "1,x", "1x", "ALL", "all,1", times(300, "1")] {
            #expect(operation("lru_crawler metadump \(bad)") == .dump(.metadata, .badClass))
        }
    }

    @Test("A watcher names its events, as many as it likes; without any it wants fetchers")
    func events() {
        #expect(operation("watch") == .watch(.fetchers))
        #expect(operation("watch deletions") == .watch(.deletions))
        #expect(
            operation("watch  fetchers mutations evictions connevents deletions fetchers  ")
                == .watch([.fetchers, .mutations, .evictions, .connections, .deletions]))
        #expect(
            operation("watch sysevents rawcmds proxyreqs proxyevents proxyuser")
                == .watch(.foreign))
        #expect(operation("watch " + times(400, "fetchers ")) == .watch(.fetchers))
        for unknown in ["nonsense", "fetchers nonsense", "fetcher", "Fetchers", "noreply"] {
            #expect(operation("watch \(unknown)") == .watch(nil))
        }
    }

    @Test("config knows get cluster and get definition, and nothing else")
    func configuration() {
        #expect(operation("config get cluster") == .showCluster)
        #expect(operation("config get definition") == .showDefinition)
        for line in [
            "config", "config get", "config get clusters", "config set cluster 0 5",
            "config get cluster now", "config delete cluster", "config get definitions",
        ] {
            #expect(operation(line) == .refused(.error), "\(line)")
        }
    }

    @Test("noreply as the last word silences all but watch, and counts as a word")
    func quiet() {
        #expect(
            parse("slabs automove 1 noreply")
                == .operate(.tune(.automove(1)), isQuiet: true))
        #expect(parse("lru noreply") == .operate(.refused(.error), isQuiet: true))
        #expect(parse("refresh_certs noreply") == .operate(.refreshCertificates, isQuiet: true))
        // Three words are one too many, or one too few.
        #expect(parse("lru_crawler enable noreply") == .operate(.refused(.error), isQuiet: true))
        #expect(
            parse("slabs reassign 1 noreply")
                == .operate(.refused(.badFormat), isQuiet: true))
    }

    @Test(
        "What is no sub-command is an error",
        arguments: [
            "lru", "lru x", "lru x y", "lru tune", "lru mode", "lru mode x", "lru temp_ttl",
            "lru temp_ttl x", "lru_crawler", "lru_crawler x", "lru_crawler x y",
            "lru_crawler crawl", "lru_crawler enable x", "lru_crawler sleep",
            "lru_crawler crawl 1 2", "slabs", "slabs x", "slabs automove", "slabs automove 3",
            "slabs reassign", "slabs reassign 1", "slabs reassign 1 2 3", "slabs automove ratio",
            // Beginnings of words, which memcached 1.6.45 takes for the whole.
            "lru_crawler e", "lru_crawler c all", "slabs a 1", "lru m flat",
        ])
    func errors(line: String) {
        #expect(operation(line) == .refused(.error))
    }

    @Test(
        "What only begins like one of these commands is none",
        arguments: ["lrux", "watchx", "slab"])
    func others(word: String) {
        #expect(parse("\(word) all") == failure(.error))
    }
}
