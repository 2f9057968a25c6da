// swift-tools-version: 6.1
import PackageDescription

/// Language settings of every Swift target: Swift 6 mode, and imports and existentials written out.
let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
]

/// For the map, and what is simulated, in the test command's build, under a trait: their tests run millions of
/// operations, and take a fraction of the time when these are optimized. Assertions stay.
let quickMap: [SwiftSetting] = [
    .unsafeFlags(
        ["-O", "-assert-config", "Debug"], .when(configuration: .debug, traits: ["QuickMap"]))
]

/// For the modules of the data path, in release builds: without the runtime's checks for overlapping
/// accesses to class properties, which debug builds and so all tests make. They took 5 % of a
/// request's CPU time. No product that an application imports contains these modules.
let dataPath: [SwiftSetting] =
    strict + [.unsafeFlags(["-enforce-exclusivity=unchecked"], .when(configuration: .release))]

let package = Package(
    name: "sojourn",
    // What the libraries need where applications are developed; the programs run on Linux.
    platforms: [.macOS("26.0")],
    products: [
        .library(name: "SessionClient", targets: ["SessionClient"]),
        .library(name: "HummingbirdSojourn", targets: ["HummingbirdSojourn"]),
        .library(name: "HashRing", targets: ["HashRing"]),
        .library(name: "ClusterFile", targets: ["ClusterFile"]),
        .executable(name: "sojournd", targets: ["sojournd"]),
        .executable(name: "sojourn", targets: ["sojourn"]),
    ],
    traits: [
        .trait(
            name: "Hummingbird",
            description: "HummingbirdSojourn, a PersistDriver, and the example application."),
        .trait(name: "QuickMap", description: "Debug builds with an optimized map, for tests."),
        .trait(name: "Fuzzing", description: "What scripts/fuzz runs, in release builds."),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift", from: "0.2.0"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
        .package(url: "https://github.com/apple/swift-metrics", from: "2.13.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        // Makes the libraries' documentation: swift package generate-documentation.
        .package(url: "https://github.com/swiftlang/swift-docc-plugin", from: "1.5.0"),
    ],
    targets: [
        .systemLibrary(
            name: "CLibevent", pkgConfig: "libevent_core", providers: [.apt(["libevent-dev"])]),
        .systemLibrary(name: "COpenSSL", pkgConfig: "openssl", providers: [.apt(["libssl-dev"])]),
        // HTTP of libevent, for the operator's port.
        .systemLibrary(
            name: "CLibeventHTTP", pkgConfig: "libevent_openssl",
            providers: [.apt(["libevent-dev"])]),
        // Header files only.
        .systemLibrary(name: "CSandbox"),
        .target(
            name: "EventLoop", dependencies: ["CLibevent", "CLibeventHTTP", "COpenSSL"],
            swiftSettings: dataPath),
        // The operator's page: its files are in the program.
        .target(
            name: "AdminPage",
            resources: [
                .embedInCode("Files/page.html"), .embedInCode("Files/page.css"),
                .embedInCode("Files/page.js"), .embedInCode("Files/login.html"),
                .embedInCode("Files/icon.svg"),
            ],
            swiftSettings: strict),
        .target(name: "MemcacheProtocol", exclude: ["README.md"], swiftSettings: strict),
        .target(name: "HashRing", swiftSettings: strict),
        .target(
            name: "ClusterFile",
            dependencies: ["HashRing", .product(name: "Yams", package: "Yams")],
            swiftSettings: strict),
        .target(name: "SessionMap", swiftSettings: dataPath + quickMap),
        .target(name: "SessionValues", swiftSettings: dataPath + quickMap),
        .target(name: "Cluster", swiftSettings: dataPath + quickMap),
        .target(
            name: "CacheNode",
            dependencies: [
                "AdminPage", "Cluster", "EventLoop", "MemcacheProtocol", "SessionMap",
                "SessionValues", .product(name: "Histogram", package: "hdrhistogram-swift"),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: dataPath),
        .target(
            name: "SessionClient",
            dependencies: [
                "ClusterFile", "HashRing", "MemcacheProtocol",
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "DequeModule", package: "swift-collections"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "Metrics", package: "swift-metrics"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ],
            swiftSettings: strict),
        // Empty without the trait.
        .target(
            name: "HummingbirdSojourn",
            dependencies: [
                "SessionClient",
                .product(
                    name: "Hummingbird", package: "hummingbird",
                    condition: .when(traits: ["Hummingbird"])),
                .product(name: "Crypto", package: "swift-crypto"),
            ],
            swiftSettings: strict),
        // The same: without the trait it only says so.
        .executableTarget(
            name: "shop",
            dependencies: [
                "HummingbirdSojourn", "SessionClient",
                .product(
                    name: "Hummingbird", package: "hummingbird",
                    condition: .when(traits: ["Hummingbird"])),
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "Logging", package: "swift-log"),
            ],
            path: "cluster/example", exclude: ["run"],
            swiftSettings: strict),
        .executableTarget(
            name: "sojournd",
            dependencies: [
                "CSandbox", "CacheNode", "ClusterFile", "EventLoop", "HashRing", "MemcacheProtocol",
                "SessionValues",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: strict),
        .target(name: "Reports", swiftSettings: strict),
        .target(
            name: "LoadGenerator",
            dependencies: [
                "EventLoop", "HashRing", "MemcacheProtocol", "Reports",
                .product(name: "Histogram", package: "hdrhistogram-swift"),
            ],
            swiftSettings: dataPath),
        .executableTarget(
            name: "sojourn",
            dependencies: [
                "ClusterFile", "EventLoop", "HashRing", "LoadGenerator", "MemcacheProtocol",
                "Reports", "SessionClient",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ],
            swiftSettings: strict),
        .testTarget(
            name: "ClusterTests",
            dependencies: [
                "CacheNode", "Cluster", "MemcacheProtocol", "NodeStage", "SessionMap",
                "TestSupport",
            ],
            swiftSettings: strict + quickMap),
        .testTarget(
            name: "SessionValuesTests", dependencies: ["SessionValues", "TestSupport"],
            exclude: ["Samples"], swiftSettings: strict),
        .testTarget(
            name: "SessionMapTests", dependencies: ["SessionMap"], swiftSettings: strict),
        .testTarget(
            name: "HashRingTests", dependencies: ["HashRing", "TestSupport"], exclude: ["Golden"],
            swiftSettings: strict),
        .executableTarget(
            name: "ClientBenchmark",
            dependencies: [
                "HashRing", "SessionClient",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ],
            swiftSettings: strict),
        // An application server for scripts/headline.
        .executableTarget(
            name: "SessionPages",
            dependencies: [
                "HashRing", "SessionClient", .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: strict),
        .executableTarget(
            name: "RingBenchmark", dependencies: ["HashRing"], swiftSettings: strict),
        .testTarget(
            name: "ClusterFileTests",
            dependencies: [
                "ClusterFile", "HashRing", "TestSupport", .product(name: "Yams", package: "Yams"),
            ],
            swiftSettings: strict),
        .target(
            name: "TestSupport", dependencies: ["COpenSSL"], path: "Tests/TestSupport",
            swiftSettings: strict),
        // Both look inside of the modules: they are empty in release builds without the trait Fuzzing.
        .target(
            name: "NodeStage",
            dependencies: ["CacheNode", "MemcacheProtocol", "SessionMap", "TestSupport"],
            path: "Tests/NodeStage", swiftSettings: strict),
        .target(
            name: "FuzzBodies",
            dependencies: [
                "CacheNode", "Cluster", "ClusterFile", "EventLoop", "HashRing", "MemcacheProtocol",
                "NodeStage", "SessionClient", "SessionMap", "SessionValues", "TestSupport",
                .product(name: "NIOCore", package: "swift-nio"),
            ],
            path: "Tests/FuzzBodies", exclude: ["Corpus"], swiftSettings: strict),
        // Without the trait it only says so; with it, it is built by scripts/fuzz. libFuzzer has a main of its
        // own, which gold refuses beside this one; lld takes the program's.
        .executableTarget(
            name: "Fuzz", dependencies: ["FuzzBodies", "TestSupport"], path: "Tests/Fuzz",
            swiftSettings: strict,
            linkerSettings: [.unsafeFlags(["-use-ld=lld"], .when(traits: ["Fuzzing"]))]),
        .testTarget(
            name: "FuzzTests",
            dependencies: [
                "Cluster", "FuzzBodies", "MemcacheProtocol", "NodeStage", "TestSupport",
            ],
            swiftSettings: strict),
        .testTarget(
            name: "ArchitectureTests", dependencies: ["TestSupport"], swiftSettings: strict),
        .testTarget(
            name: "MemcacheProtocolTests", dependencies: ["MemcacheProtocol", "TestSupport"],
            swiftSettings: strict),
        .testTarget(
            name: "EventLoopTests", dependencies: ["EventLoop", "TestSupport"],
            swiftSettings: strict),
        .testTarget(
            name: "CacheNodeTests",
            dependencies: [
                "CacheNode", "EventLoop", "MemcacheProtocol", "NodeStage", "SessionMap",
                "TestSupport",
            ],
            swiftSettings: strict),
        .testTarget(
            name: "SessionClientTests",
            dependencies: [
                "ClusterFile", "HashRing", "MemcacheProtocol", "SessionClient", "TestSupport",
                "sojournd",
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "MetricsTestKit", package: "swift-metrics"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOEmbedded", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOTestUtils", package: "swift-nio"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ],
            swiftSettings: strict),
        .testTarget(
            name: "LoadGeneratorTests",
            dependencies: [
                "HashRing", "LoadGenerator", "Reports", "TestSupport",
                .product(name: "Histogram", package: "hdrhistogram-swift"),
            ],
            swiftSettings: strict),
        .testTarget(
            name: "HummingbirdSojournTests",
            dependencies: [
                "HashRing", "HummingbirdSojourn", "SessionClient", "TestSupport",
                "shop", "sojournd",
                .product(
                    name: "Hummingbird", package: "hummingbird",
                    condition: .when(traits: ["Hummingbird"])),
            ],
            swiftSettings: strict),
        .testTarget(
            name: "ToolTests",
            dependencies: ["ClusterFile", "HashRing", "SessionClient", "TestSupport", "sojourn"],
            swiftSettings: strict),
        .testTarget(
            name: "EndToEndTests",
            // The programs are built beside it, which is the largest module of all.
            dependencies: [
                "Cluster", "ClusterFile", "EventLoop", "HashRing", "MemcacheProtocol",
                "SessionClient", "TestSupport",
                .product(name: "NIOCore", package: "swift-nio"),
            ],
            exclude: [
                "SpymemcachedChecks.java", "admin_browser.py", "admin_checks.py", "admin_node.py",
                "admin_page_checks.py", "autodiscovery_checks.py", "bmemcached_checks.py",
                "checking.py", "dalli_checks.rb", "faulty_kernel.c", "hanging.c", "intruder.c",
                "moved_clock.c",
                "seen_mutex.c",
                "memcached_class_checks.php",
                "metamemcache_checks.py",
                "php_checks.py", "pylibmc_binary_checks.py", "pylibmc_placement.py",
                "restart_load.py",
                "restart_load.rb",
                "pymemcache_checks.py", "rack_checks.rb", "sasl_checks.py",
            ],
            swiftSettings: strict),
    ]
)

// Some targets of tests and what they need, and nothing else: scripts/simulate and scripts/mutants build them so.
if let only = Context.environment["SOJOURN_ONLY"] {
    var needed: Set<String> = []
    var open = only.split(separator: ",").map(String.init)
    while let name = open.popLast() {
        guard let target = package.targets.first(where: { $0.name == name }),
            needed.insert(name).inserted
        else { continue }
        for case .byNameItem(let name, _) in target.dependencies { open.append(name) }
    }
    package.targets.removeAll { !needed.contains($0.name) }
    package.products = []
}
