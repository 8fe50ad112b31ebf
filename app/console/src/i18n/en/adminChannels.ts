export default {
  title: "Channels",
  about: "Where requests are sent: vendors, keys, health and weight.",
};
