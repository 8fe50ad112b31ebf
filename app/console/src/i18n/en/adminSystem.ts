export default {
  title: "System",
  about: "Nodes, versions, database and jobs.",
};
