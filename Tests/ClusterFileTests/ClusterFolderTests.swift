import ClusterFile
import Glibc
import HashRing
import TestSupport
import Testing
import Yams

/// What lies in `cluster/`, as far as it can be checked without what it is for: that it is well formed, and that
/// its parts agree with one another. Programs that are there check more in the end-to-end tests.
@Suite(.timeLimit(.minutes(10)))
struct ClusterFolderTests {
    private static let folder =
        "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/") + "/cluster"

    private func text(_ name: String) throws -> String {
        try #require(contents(of: "\(Self.folder)/\(name)"), "no \(name)")
    }

    private func documents(_ name: String) throws -> [Yams.Node] {
        Array(try Yams.compose_all(yaml: try text(name)))
    }

    private func definition(_ name: String) throws -> ClusterDefinition {
        try ClusterDefinition(contentsOf: "\(Self.folder)/\(name)")
    }

    @Test("The configurations of clients name the nodes of the definition, in its order")
    func clients() throws {
        let addresses = try definition("cluster.yaml").nodes.map { ($0.host, String($0.port)) }
        #expect(addresses.count == 3)
        for name in [
            "twemproxy.yml", "php-sessions.ini", "php-memcached.php", "libmemcached.c",
            "django_settings.py", "rails.rb", "express-session.js",
        ] {
            var rest = try text("clients/\(name)")[...]
            for (host, port) in addresses {
                let found = rest.firstRange(of: port)
                let range = try #require(
                    found, "\(name) does not name \(host):\(port) in its place")
                #expect(rest[..<range.lowerBound].contains(host), "\(name): \(host)")
                rest = rest[range.upperBound...]
            }
        }
    }

    @Test("twemproxy's pool has the nodes and weights of the definition")
    func twemproxy() throws {
        let pool = try #require(try documents("clients/twemproxy.yml").first?["shop"])
        #expect(pool["distribution"]?.string == "ketama")
        #expect(pool["hash"]?.string == "md5")
        let servers = pool["servers"]?.array().compactMap(\.string)
        let nodes = try definition("cluster.yaml").nodes
        #expect(servers == nodes.map { "\($0.host):\($0.port):\($0.weight)" })
    }

    @Test("The services of the compose file are the nodes of its definition")
    func compose() throws {
        let file = try #require(try documents("container/compose.yaml").first)
        let services = try #require(file["services"]?.mapping)
        let definition = try definition("container/definition.yaml")
        #expect(services.keys.compactMap(\.string) == definition.nodes.map(\.host) + ["front"])
        // What nodes and front have to know of one another is mounted where the definition says.
        let secret = try #require(definition.peers?.secretFile)
        let secrets = file["secrets"]?.mapping?.keys.compactMap(\.string) ?? []
        #expect(secrets.map { "/run/secrets/\($0)" } == [secret])
        // Of what all services have in common.
        #expect(file["x-node"]?["secrets"]?.array().compactMap(\.string) == secrets)
        let front = try #require(services["front"])
        #expect(
            front["command"]?.array().compactMap(\.string)
                == ["--cluster", "/etc/sojourn/cluster.yaml", "--front"])
        let volumes = file["volumes"]?.mapping?.keys.compactMap(\.string) ?? []
        for (name, service) in services where name.string != "front" {
            let name = name.string ?? ""
            let node = try #require(definition.members.first { $0.node.host == name })
            #expect(
                service["command"]?.array().compactMap(\.string)
                    == ["--cluster", "/etc/sojourn/cluster.yaml", "--name", node.node.name])
            let mounts = service["volumes"]?.array().compactMap(\.string) ?? []
            #expect(
                mounts == [
                    "memory-\(name):/memory", "./definition.yaml:/etc/sojourn/cluster.yaml:ro",
                ])
            #expect(node.memoryFile?.hasPrefix("/memory/") == true)
            #expect(volumes.contains("memory-\(name)"))
        }
    }

    @Test(
        "systemd's unit starts a node of the definition that it comes with, and says no more of it")
    func systemd() throws {
        let unit = try text("systemd/sojournd@.service").split(separator: "\n")
        let start = try #require(unit.first { $0.hasPrefix("ExecStart=") })
        #expect(
            start.hasSuffix(
                "/sojournd --cluster /etc/sojourn/cluster.yaml --name %i -o sandbox"))
        #expect(!unit.contains { $0.hasPrefix("Environment") })
        // One that hangs dies within 2 s, and is back at once; so is a front.
        let front = try text("systemd/sojourn-front.service").split(separator: "\n")
        #expect(
            front.contains(
                "ExecStart=/usr/local/bin/sojournd --cluster /etc/sojourn/cluster.yaml --front "
                    + "-o sandbox"))
        for line in [
            "Type=notify", "WatchdogSec=2", "WatchdogSignal=SIGKILL", "Restart=always",
            "RestartSec=0", "ExecReload=/bin/kill -HUP $MAINPID",
        ] {
            #expect(unit.contains(line[...]) && front.contains(line[...]), "\(line)")
        }
        // Both are confined in the same way.
        func confinement(_ unit: [Substring]) -> ArraySlice<Substring> {
            unit[(unit.firstIndex(of: "UMask=0077") ?? unit.endIndex)...]
        }
        #expect(confinement(unit).count > 25 && confinement(unit) == confinement(front))
        let definition = try definition("systemd/cluster.yaml")
        #expect(definition.members.count == 3)
        #expect(definition.peers?.secretFile == "/etc/sojourn/peers.secret")
        for member in definition.members {
            // Below the tmpfs that comes with the unit.
            #expect(member.memoryFile == "/run/sojourn/\(member.node.name)")
        }
        let listening = try text("systemd/listen.conf")
        let first = definition.nodes[0]
        #expect(listening.contains("ListenStream=\(first.host):\(first.port)\n"))
    }

    /// The paths of `-o ssl_...` and `-Y` among arguments.
    private func paths(_ arguments: [String]) -> [Substring] {
        let users = arguments.firstIndex(of: "-Y").map { arguments[($0 + 1)...].prefix(1) } ?? []
        return arguments.flatMap { $0.split(separator: ",") }.filter { $0.hasPrefix("ssl_") }
            .compactMap { $0.split(separator: "=").last } + users.map { $0[...] }
    }

    @Test(
        "With TLS each service gets the files that its node is told, users too, and a probe in clear text"
    )
    func composeTLS() throws {
        let file = try #require(try documents("container/tls.yaml").first)
        let secrets = file["secrets"]?.mapping?.keys.compactMap(\.string) ?? []
        #expect(secrets.sorted() == ["ca.pem", "node.key", "node.pem", "users"])
        let mounted = file["x-tls"]?["secrets"]?.array().compactMap(\.string) ?? []
        #expect(mounted.sorted() == (secrets + ["peers.secret"]).sorted())
        let services = try #require(file["services"]?.mapping)
        let base = try #require(try documents("container/compose.yaml").first)
        #expect(
            services.keys.compactMap(\.string)
                == base["services"]?.mapping?.keys.compactMap(\.string))
        for (name, service) in services {
            // What it replaces comes first.
            let command = service["command"]?.array().compactMap(\.string) ?? []
            let earlier = base["services"]?[name.string ?? ""]?["command"]?.array()
            #expect(command.prefix(earlier?.count ?? 0) == earlier?.compactMap(\.string)[...])
            #expect(command.contains("-Z"))
            #expect(paths(command).sorted() == secrets.sorted().map { "/run/secrets/\($0)" })
        }
        let common = try #require(file["x-tls"])
        let probe = common["healthcheck"]?["test"]?.array().compactMap(\.string) ?? []
        let (host, port) = (probe[probe.count - 2], probe[probe.count - 1])
        for (_, service) in services {
            let command = service["command"]?.array().compactMap(\.string) ?? []
            #expect(command.contains("notls:\(host):\(port)"))
        }
    }

    @Test("systemd hands a node the credentials that its command line names")
    func systemdTLS() throws {
        let lines = try text("systemd/tls.conf").split(separator: "\n")
        let loaded = lines.filter { $0.hasPrefix("LoadCredential=") }
            .compactMap { $0.dropFirst("LoadCredential=".count).split(separator: ":").first }
        let starts = lines.filter { $0.hasPrefix("ExecStart=") }
        // An empty one first: otherwise there would be two commands.
        #expect(starts.count == 2 && starts.first == "ExecStart=")
        let command = try #require(starts.last).split(separator: " ").map(String.init)
        #expect(command.contains("-Z"))
        #expect(paths(command).sorted() == loaded.sorted().map { "%d/\($0)" })
        let unit = try text("systemd/sojournd@.service").split(separator: "\n")
        let start = try #require(unit.first { $0.hasPrefix("ExecStart=") })
        #expect(starts.last?.hasPrefix(start + " -Z ") == true)
    }

    @Test("The manifest's certificates name the pods, and the patch mounts what they are in")
    func kubernetesTLS() throws {
        let certificates = try documents("kubernetes/certificates.yaml")
        let set = try manifest("StatefulSet")
        let name = try #require(set["metadata"]?["name"]?.string)
        let service = try #require(set["spec"]?["serviceName"]?.string)
        let node = try #require(
            certificates.first { $0["spec"]?["secretName"]?.string == "sojourn-node" })
        let names = node["spec"]?["dnsNames"]?.array().compactMap(\.string) ?? []
        for number in 0..<(set["spec"]?["replicas"]?.int ?? 0) {
            #expect(names.contains("\(name)-\(number).\(service)"))
        }
        #expect(names.contains(service))
        let patch = try #require(try documents("kubernetes/tls-patch.yaml").first)
        let pod = try #require(patch["spec"]?["template"]?["spec"])
        let container = try #require(pod["containers"]?.array().first)
        let own = set["spec"]?["template"]?["spec"]?["containers"]?.array().first
        #expect(container["name"]?.string == own?["name"]?.string)
        let volumes = pod["volumes"]?.array() ?? []
        #expect(
            volumes.compactMap { $0["secret"]?["secretName"]?.string }
                == ["sojourn-node", "sojourn-users"])
        // The group that root lets read them is the pod's.
        for volume in volumes { #expect(volume["secret"]?["defaultMode"]?.string == "0440") }
        let mounts = container["volumeMounts"]?.array() ?? []
        #expect(
            mounts.compactMap { $0["name"]?.string } == volumes.compactMap { $0["name"]?.string })
        let folders = mounts.compactMap { $0["mountPath"]?.string }
        try #require(folders.count == 2)
        let (folder, users) = (folders[0], folders[1])
        let arguments = container["args"]?.array().compactMap(\.string) ?? []
        #expect(arguments.prefix(4) == own?["args"]?.array().compactMap(\.string)[...])
        #expect(
            paths(arguments).sorted() == [
                "\(folder)/ca.crt", "\(folder)/tls.crt", "\(folder)/tls.key", "\(users)/users",
            ])
        for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
            let command = container[probe]?["exec"]?["command"]?.array().compactMap(\.string) ?? []
            let isReadiness = probe == "readinessProbe"
            #expect(command.first == "/usr/local/bin/\(isReadiness ? "current" : "answers")")
            let place = command.dropFirst().prefix(2).joined(separator: ":")
            #expect(arguments.contains("notls:\(place)"))
            // Of more than a version it has to log in.
            #expect(command.dropFirst(3) == (isReadiness ? ["\(users)/users"] : []))
        }
    }

    @Test("What the Containerfile copies from the repository is there")
    func containerfile() throws {
        let lines = try text("container/Containerfile").split(separator: "\n")
        let copied = lines.filter { $0.hasPrefix("COPY ") && !$0.contains("--from=") }
            .flatMap { $0.split(separator: " ").dropFirst().dropLast() }
        #expect(copied.contains("Package.swift") && copied.contains("Sources"))
        for path in copied { #expect(access("\(Self.folder)/../\(path)", R_OK) == 0, "\(path)") }
        for program in ["answers", "current", "leave"] {
            #expect(copied.contains("cluster/container/\(program)"))
            #expect(access("\(Self.folder)/container/\(program)", X_OK) == 0)
        }
    }

    /// The manifest's document of a kind.
    private func manifest(_ kind: String) throws -> Yams.Node {
        let documents = try documents("kubernetes/sojourn.yaml")
        return try #require(documents.first { $0["kind"]?.string == kind }, "no \(kind)")
    }

    @Test("The manifest's service is headless and selects the pods of the set, as all its parts do")
    func kubernetesLabels() throws {
        let service = try manifest("Service")
        let set = try manifest("StatefulSet")
        #expect(service["spec"]?["clusterIP"]?.string == "None")
        #expect(set["spec"]?["serviceName"]?.string == service["metadata"]?["name"]?.string)
        let labels = try #require(set["spec"]?["template"]?["metadata"]?["labels"])
        #expect(service["spec"]?["selector"] == labels)
        #expect(set["spec"]?["selector"]?["matchLabels"] == labels)
        let budget = try manifest("PodDisruptionBudget")
        #expect(budget["spec"]?["selector"]?["matchLabels"] == labels)
        let policy = try manifest("NetworkPolicy")
        #expect(policy["spec"]?["podSelector"]?["matchLabels"] == labels)
        let versions = [
            "Service": "v1", "StatefulSet": "apps/v1", "PodDisruptionBudget": "policy/v1",
            "NetworkPolicy": "networking.k8s.io/v1", "ConfigMap": "v1",
        ]
        for (kind, version) in versions {
            #expect(try manifest(kind)["apiVersion"]?.string == version)
        }
    }

    @Test("The manifest's definition names the pods of the set, which are started by it")
    func kubernetesDefinition() throws {
        let set = try manifest("StatefulSet")
        let name = try #require(set["metadata"]?["name"]?.string)
        let service = try #require(set["spec"]?["serviceName"]?.string)
        let count = try #require(set["spec"]?["replicas"]?.int)
        let yaml = try #require(try manifest("ConfigMap")["data"]?["cluster.yaml"]?.string)
        let definition = try ClusterDefinition(yaml: yaml, file: "cluster.yaml")
        #expect(definition.nodes.map(\.name) == (0..<count).map { "\(name)-\($0)" })
        #expect(definition.nodes.map(\.host) == (0..<count).map { "\(name)-\($0).\(service)" })
        let pod = try #require(set["spec"]?["template"]?["spec"])
        let container = try #require(pod["containers"]?.array().first)
        #expect(
            container["args"]?.array().compactMap(\.string)
                == ["--cluster", "/etc/sojourn/cluster.yaml", "--name", "$(POD_NAME)"])
        let variable = container["env"]?.array().first
        #expect(variable?["name"]?.string == "POD_NAME")
        let source = variable?["valueFrom"]?["fieldRef"]?["fieldPath"]?.string
        #expect(source == "metadata.name")
        // The definition is mounted where the node looks for it, and its memory fits in the pod's.
        let volume = pod["volumes"]?.array().first
        let map = try manifest("ConfigMap")["metadata"]?["name"]?.string
        #expect(volume?["configMap"]?["name"]?.string == map)
        let mount = container["volumeMounts"]?.array().first { $0["name"] == volume?["name"] }
        #expect(mount?["name"]?.string == volume?["name"]?.string)
        #expect(mount?["mountPath"]?.string == "/etc/sojourn")
        let limit = container["resources"]?["limits"]?["memory"]?.string
        let megabytes = try #require(limit.flatMap { Int($0.dropLast("Mi".count)) })
        #expect(definition.members.allSatisfy { $0.memoryMegabytes * 5 / 4 <= megabytes })
    }

    @Test("The manifest's pods have probes, are drained, and mount the memory that they are given")
    func kubernetesPod() throws {
        let set = try manifest("StatefulSet")
        let pod = try #require(set["spec"]?["template"]?["spec"])
        let container = try #require(pod["containers"]?.array().first)
        for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
            let command = container[probe]?["exec"]?["command"]?.array().compactMap(\.string)
            let program = probe == "readinessProbe" ? "current" : "answers"
            #expect(command == ["/usr/local/bin/\(program)"], "\(probe)")
        }
        let leave = container["lifecycle"]?["preStop"]?["exec"]?["command"]?.array()
        #expect(leave?.compactMap(\.string) == ["/usr/local/bin/leave"])
        // What it takes at most: a drain, and the pause after it.
        let script = try text("container/leave")
        #expect(script.contains("${LEAVE_SECONDS:-240}") && script.contains("${LEAVE_PAUSE:-10}"))
        #expect(try #require(pod["terminationGracePeriodSeconds"]?.int) >= 240 + 10 + 30)
        let mount = try #require(container["volumeMounts"]?.array().first)
        let claim = try #require(set["spec"]?["volumeClaimTemplates"]?.array().first)
        #expect(mount["name"]?.string == claim["metadata"]?["name"]?.string)
        let path = try #require(mount["mountPath"]?.string)
        let yaml = try #require(try manifest("ConfigMap")["data"]?["cluster.yaml"]?.string)
        let definition = try ClusterDefinition(yaml: yaml, file: "cluster.yaml")
        #expect(definition.members.allSatisfy { $0.memoryFile?.hasPrefix(path + "/") == true })
        let port = container["ports"]?.array().first
        #expect(port?["containerPort"]?.int == 11_211)
        let service = try manifest("Service")["spec"]?["ports"]?.array().first
        #expect(service?["targetPort"]?.string == port?["name"]?.string)
    }

    @Test("The job that changes how many nodes there are may do so, and is let in")
    func kubernetesResize() throws {
        let documents = try documents("kubernetes/resize.yaml")
        func document(_ kind: String) throws -> Yams.Node {
            try #require(documents.first { $0["kind"]?.string == kind }, "no \(kind)")
        }
        let name = try document("ServiceAccount")["metadata"]?["name"]?.string
        let pod = try #require(try document("Job")["spec"]?["template"])
        #expect(pod["spec"]?["serviceAccountName"]?.string == name)
        let binding = try document("RoleBinding")
        #expect(binding["subjects"]?.array().first?["name"]?.string == name)
        #expect(binding["roleRef"]?["name"] == (try document("Role"))["metadata"]?["name"])
        // By that label the nodes' policy lets clients in.
        #expect(pod["metadata"]?["labels"]?["sojourn-client"]?.string == "true")
        let set = try manifest("StatefulSet")
        let rules = try document("Role")["rules"]?.array() ?? []
        /// The one thing of a kind that the job may change.
        func changed(_ resource: String) -> String? {
            let rule = rules.first { $0["resources"]?.array().first?.string == resource }
            return rule?["resourceNames"]?.array().first?.string
        }
        let map = try manifest("ConfigMap")["metadata"]?["name"]?.string
        #expect(changed("statefulsets") == set["metadata"]?["name"]?.string)
        #expect(changed("configmaps") == map)
        // What the script takes these to be unless it is told.
        let script = try text("kubernetes/resize")
        let claim = set["spec"]?["volumeClaimTemplates"]?.array().first
        let names = [
            "SET": changed("statefulsets"), "MAP": map,
            "CLAIM": claim?["metadata"]?["name"]?.string,
        ]
        for (variable, name) in names {
            #expect(script.contains("${\(variable):-\(name ?? "?")}"), "\(variable)")
        }
        #expect(access("\(Self.folder)/kubernetes/resize", X_OK) == 0)
        let container = pod["spec"]?["containers"]?.array().first
        let count = try #require(container?["args"]?.array().first?.string.flatMap { Int($0) })
        #expect(count > (set["spec"]?["replicas"]?.int ?? .max))
    }

    @Test("The manifest's nodes know a secret, and reach one another; others reach them as clients")
    func kubernetesPeers() throws {
        let set = try manifest("StatefulSet")
        let pod = try #require(set["spec"]?["template"]?["spec"])
        let container = try #require(pod["containers"]?.array().first)
        let yaml = try #require(try manifest("ConfigMap")["data"]?["cluster.yaml"]?.string)
        let definition = try ClusterDefinition(yaml: yaml, file: "cluster.yaml")
        let path = try #require(definition.peers?.secretFile)
        let volume = pod["volumes"]?.array().first { $0["name"]?.string == "peers" }
        #expect(volume?["secret"]?["secretName"]?.string == "sojourn-peers")
        #expect(volume?["secret"]?["defaultMode"]?.string == "0440")
        let mount = container["volumeMounts"]?.array().first { $0["name"]?.string == "peers" }
        #expect(mount?["mountPath"]?.string.map { $0 + "/secret" } == path)
        #expect(try text("kubernetes/sojourn.yaml").contains("--from-literal \"secret=$("))
        let ports = container["ports"]?.array() ?? []
        let port = ports.first { $0["name"]?.string == "peers" }?["containerPort"]?.int
        #expect(definition.members.allSatisfy { $0.peerPort == port })
        // Who catches up is not ready, and has to be reached.
        let service = try manifest("Service")
        #expect(service["spec"]?["publishNotReadyAddresses"]?.bool == true)
        #expect(set["spec"]?["podManagementPolicy"]?.string == "Parallel")
        #expect(try manifest("PodDisruptionBudget")["spec"]?["maxUnavailable"]?.int == 1)
        let rules = try manifest("NetworkPolicy")["spec"]?["ingress"]?.array() ?? []
        func labels(_ node: Yams.Node?) -> [String: String] {
            Dictionary(
                (node?.mapping?.map { ($0.string ?? "", $1.string ?? "") }) ?? [],
                uniquingKeysWith: { $1 })
        }
        func senders(to port: String) -> [[String: String]] {
            rules.filter { $0["ports"]?.array().first?["port"]?.string == port }
                .flatMap { $0["from"]?.array() ?? [] }
                .map { labels($0["podSelector"]?["matchLabels"]) }
        }
        #expect(senders(to: "memcached") == [["sojourn-client": "true"]])
        let own = labels(set["spec"]?["template"]?["metadata"]?["labels"])
        // A front beside an application has the label that lets it in, and finds what it needs.
        let patch = try #require(try documents("kubernetes/front-patch.yaml").first)
        let template = try #require(patch["spec"]?["template"])
        let front = labels(template["metadata"]?["labels"])
        #expect(senders(to: "peers") == [own, front])
        let sidecar = try #require(template["spec"]?["initContainers"]?.array().first)
        #expect(sidecar["restartPolicy"]?.string == "Always")
        #expect(
            sidecar["args"]?.array().compactMap(\.string)
                == ["--cluster", "/etc/sojourn/cluster.yaml", "--front"])
        let mounts = sidecar["volumeMounts"]?.array().compactMap { $0["mountPath"]?.string }
        #expect(mounts == ["/etc/sojourn", path.replacing("/secret", with: "")])
        let volumes = template["spec"]?["volumes"]?.array() ?? []
        let map = try manifest("ConfigMap")["metadata"]?["name"]
        #expect(volumes.first?["configMap"]?["name"] == map)
        #expect(volumes.last?["secret"]?["secretName"]?.string == "sojourn-peers")
    }
}
